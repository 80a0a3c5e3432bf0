"""The command batch, and how its runs are shown."""
