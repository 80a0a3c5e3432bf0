"""Keras' own components as a table that a script makes from Keras, so that none is declared twice."""

from dlrun.keras_table.component import (
    KerasComponent,
    LayerPart,
    component_class,
    keras_object,
    parse_part,
    part_annotation,
)
from dlrun.keras_table.table import TABLE_PATH, Argument, Entry, activation_names, entry_names, find_entry, short_names

__all__ = [
    "TABLE_PATH",
    "Argument",
    "Entry",
    "KerasComponent",
    "LayerPart",
    "activation_names",
    "component_class",
    "entry_names",
    "find_entry",
    "keras_object",
    "parse_part",
    "part_annotation",
    "short_names",
]
