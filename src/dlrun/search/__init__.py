"""Search for the best point of a space of specs: each trial is a run, and a ledger says what was tried."""
