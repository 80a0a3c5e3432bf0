"""Predict with the model of a run from raw input, and write the predictions to a file or stream."""
