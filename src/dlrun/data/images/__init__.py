"""The dataset type images: class folders, or a file of paths and labels."""
