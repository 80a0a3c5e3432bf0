"""The report of a run: an HTML page that needs no network, and its plots as PNG files."""
