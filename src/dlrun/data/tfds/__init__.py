"""The dataset type `tfds`: datasets prepared by tensorflow-datasets."""
