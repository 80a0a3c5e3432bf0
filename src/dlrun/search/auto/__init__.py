"""From a file to the best model that the minutes allow: a config with a space, a search, and a final training."""
