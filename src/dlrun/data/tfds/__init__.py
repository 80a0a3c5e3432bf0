"""The dataset type tfds: sets that tensorflow-datasets has prepared."""
