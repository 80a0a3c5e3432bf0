"""Read, complete and check specs, without TensorFlow."""
