"""Networks of keras.applications as the first part of a model."""
