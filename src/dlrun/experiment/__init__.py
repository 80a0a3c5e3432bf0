"""One training from its start to its report: train, resume, reproduce, and what is recorded on the way."""
