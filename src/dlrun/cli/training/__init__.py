"""Commands that train a single run: train, resume, launch and reproduce."""
