"""List files that are examples (files, recordings), decode them with a reader, and keep what was decoded."""
