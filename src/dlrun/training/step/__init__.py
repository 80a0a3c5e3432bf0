"""What happens inside a training step: feed, augmentation, replicas, kernels, compilation by XLA."""
