"""Explain predictions by the pixels, words or columns that they depend on."""
