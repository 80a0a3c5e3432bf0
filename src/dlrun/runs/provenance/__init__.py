"""Record where a run comes from: the machine, the code, the environment, and the user who made it."""
