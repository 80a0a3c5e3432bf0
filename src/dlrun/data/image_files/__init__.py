"""List image files, read their headers, and decode their pixels to one size."""
