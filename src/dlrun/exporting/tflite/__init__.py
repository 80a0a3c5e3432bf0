"""Convert models to TensorFlow Lite, with the processing of text as arithmetic on bytes."""
