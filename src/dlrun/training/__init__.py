"""Training: device, feed, loop, checkpoint, evaluation. Only modules in here import TensorFlow at their top."""
