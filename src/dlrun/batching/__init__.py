"""Many runs from one command: their combinations, the processes that train them, and the table that comes of them."""
