"""Start a run from earlier ones, and say and record what was taken from them."""
