"""The section `search` of a spec: the keys to vary, and how to look for the best values."""
