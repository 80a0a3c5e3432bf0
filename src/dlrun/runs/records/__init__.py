"""Groups of keys of run.json."""
