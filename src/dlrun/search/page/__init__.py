"""The HTML page of a search: what it found, and how its scores depend on the values that it tried."""
