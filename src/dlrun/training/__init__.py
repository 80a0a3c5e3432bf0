"""Train a model: devices, batches, the training loop, checkpoints and evaluation.

Only modules in this package import TensorFlow at their top, so that commands which do not train start quickly.
"""
