"""Report the progress of a training while it runs: events, pace, time by phase, TensorBoard."""
