"""Train runs on Slurm: each is a task of a job array."""
