"""The components of Keras, as a table that a script generates from Keras instead of declarations by hand."""

from dlrun.keras_table.component import (
    KerasComponent,
    LayerPart,
    NodePart,
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
    "NodePart",
    "activation_names",
    "component_class",
    "entry_names",
    "find_entry",
    "keras_object",
    "parse_part",
    "part_annotation",
    "short_names",
]
