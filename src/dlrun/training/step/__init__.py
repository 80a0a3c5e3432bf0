"""Compute a training step: batches, augmentation, replicas, fused kernels, compilation by XLA."""
