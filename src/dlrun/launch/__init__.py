"""Train one model with several processes of one machine."""
