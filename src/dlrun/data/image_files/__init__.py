"""Read the headers of image files, and decode their pixels to one size."""
