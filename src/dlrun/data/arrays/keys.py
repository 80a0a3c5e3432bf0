"""The features and labels of each split in an npz file: from the keys of the spec, or by the usual names."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from dlrun.component import Fields

_USUAL_ENDINGS = {"train": ("_train", ""), "validation": ("_validation", "_valid", "_val"), "test": ("_test",)}


class SplitKeys(Fields):
    """The arrays of one split."""

    features: str = Field(description="Name of the array of features, of shape (examples, ...).")
    target: str | None = Field(
        default=None, description="Name of the array of labels, of shape (examples,). null: none."
    )
    sample_weight: str | None = Field(
        default=None,
        description="Name of the array of weights of 0 or more, of shape (examples,). null: equal weights.",
    )


class ArrayKeys(Fields):
    """The arrays of every split."""

    train: SplitKeys = Field(description="Arrays of the training split.")
    validation: SplitKeys | None = Field(default=None, description="Arrays of the validation split.")
    test: SplitKeys | None = Field(default=None, description="Arrays of the test split.")

    def by_split(self) -> dict[str, SplitKeys]:
        """Return the splits that are given."""
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: keys for name, keys in splits.items() if keys is not None}


def usual_keys(names: Iterable[str]) -> dict[str, SplitKeys]:
    """Find splits by the array names that Keras uses: x_train and y_train, x_val, x_test, or just x and y.

    Args:
        names: Names of the arrays in a file.

    Returns:
        The arrays of each split, without `train` if no array has a usual name for it.
    """
    names = set(names)
    found: dict[str, SplitKeys] = {}
    for split, endings in _USUAL_ENDINGS.items():
        for ending in endings:
            if f"x{ending}" in names and split not in found:
                target = f"y{ending}" if f"y{ending}" in names else None
                found[split] = SplitKeys(features=f"x{ending}", target=target)
    return found
