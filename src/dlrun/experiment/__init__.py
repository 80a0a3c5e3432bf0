"""Train, resume and reproduce runs, and record what happens in the run folder."""
