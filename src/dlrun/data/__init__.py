"""Datasets: where examples come from. Importing this registers the built-in sources."""

from dlrun.data import arrays, builtin, images, series, synthetic, table, text, tfds
from dlrun.data.dataset import Dataset, Source, Split, datasets
from dlrun.data.preprocess import Preprocess
from dlrun.data.splits import held_out_count

__all__ = [
    "Dataset",
    "Preprocess",
    "Source",
    "Split",
    "arrays",
    "builtin",
    "datasets",
    "held_out_count",
    "images",
    "series",
    "synthetic",
    "table",
    "text",
    "tfds",
]
