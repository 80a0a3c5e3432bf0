"""What a training reports while it runs: events, pace, phases of time, TensorBoard."""
