"""The `batch` command and the display of its runs."""
