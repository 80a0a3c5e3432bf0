"""Write, choose, verify and remove checkpoints."""
