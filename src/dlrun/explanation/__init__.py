"""What a prediction rests on: pixels, words, or columns."""
