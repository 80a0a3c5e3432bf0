"""Descriptions that replace those of Keras are used."""

from dlrun.keras_table import entry_names, find_entry
from dlrun.keras_table.descriptions import DESCRIPTIONS
from dlrun.keras_table.table import GROUPS


def test_every_description_belongs_to_an_argument_or_a_class_of_the_table() -> None:
    found = set()
    for group in GROUPS:
        for name in entry_names(group):
            entry = find_entry(group, name)
            found.add(entry.summary)
            found |= {argument.description for argument in entry.arguments}
    unused = [key for key, text in DESCRIPTIONS.items() if text not in found]
    assert not unused
