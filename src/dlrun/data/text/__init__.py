"""Texts in files: read, labelled, cut into tokens, and kept as token ids."""
