"""TensorFlow Lite: the conversion, and text as arithmetic on bytes."""
