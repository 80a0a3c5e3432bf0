"""Datasets, which load the examples. Importing this package registers the built-in dataset types."""

from dlrun.data.arrays.source import Arrays
from dlrun.data.audio.source import Audio
from dlrun.data.builtin import Builtin
from dlrun.data.dataset import Dataset, Source, datasets
from dlrun.data.ensemble.source import EnsembleSource
from dlrun.data.images.source import Images
from dlrun.data.preprocess import ArrayPreprocess, Preprocess
from dlrun.data.series.source import Series
from dlrun.data.splits import Split, held_out_count
from dlrun.data.synthetic import Synthetic
from dlrun.data.table.source import Table
from dlrun.data.text.source import Text
from dlrun.data.tfds.source import Tfds

__all__ = [
    "ArrayPreprocess",
    "Arrays",
    "Audio",
    "Builtin",
    "Dataset",
    "EnsembleSource",
    "Images",
    "Preprocess",
    "Series",
    "Source",
    "Split",
    "Synthetic",
    "Table",
    "Text",
    "Tfds",
    "datasets",
    "held_out_count",
]
