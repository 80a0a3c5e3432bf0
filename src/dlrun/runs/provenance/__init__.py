"""Where a run comes from: machine, code repository, environment, and the user who made it."""
