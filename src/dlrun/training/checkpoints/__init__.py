"""Checkpoints: written, kept, chosen and verified."""
