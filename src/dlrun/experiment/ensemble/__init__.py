"""Join trained runs into one run, whose model is the weighted mean of theirs."""
