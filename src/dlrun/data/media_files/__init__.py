"""List files that are examples (images, recordings), decode them with a reader, and keep what was decoded."""
