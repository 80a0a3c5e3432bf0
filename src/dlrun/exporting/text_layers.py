"""Describe what Keras' layers for strings do, as plain values that other formats can be generated from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dlrun.errors import RunError
from dlrun.exporting.export_model import ExportModel, Givens, inputs_of

if TYPE_CHECKING:
    import keras

PUNCTUATION = "!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'"
"""The characters that `strip_punctuation` of `TextVectorization` removes."""


@dataclass(frozen=True)
class TextRules:
    """How a `TextVectorization` layer turns a text into ids: 0 is padding, 1 is every unknown token.

    Args:
        lower: Whether it converts ASCII letters to lower case.
        punctuation: The characters that it removes.
        by_character: Whether it splits into characters; otherwise it splits at ASCII whitespace.
        vocabulary: The known tokens; their ids begin at 2.
        length: The number of ids.
    """

    lower: bool
    punctuation: str
    by_character: bool
    vocabulary: tuple[str, ...]
    length: int

    @classmethod
    def of(cls, layer: Any) -> TextRules:
        """Return the rules of a layer.

        Args:
            layer: The layer.

        Raises:
            RunError: The layer does something that only Keras supports.
        """
        config = layer.get_config()
        standardize, length = config["standardize"], config["output_sequence_length"]
        known = (None, "lower", "strip_punctuation", "lower_and_strip_punctuation")
        fits = config["output_mode"] == "int" and length and not config["ngrams"] and not config.get("ragged")
        if not fits or standardize not in known or config["split"] not in ("whitespace", "character"):
            raise RunError(
                f"{layer.name} (TextVectorization) does more than turning words or characters into a row of ids",
                hint="--to keras, or --to savedmodel",
            )
        standardize = standardize or ""
        return cls(
            "lower" in standardize,
            PUNCTUATION if "strip_punctuation" in standardize else "",
            config["split"] == "character",
            tuple(layer.get_vocabulary(include_special_tokens=False)),
            length,
        )


def string_layers(raw: keras.Model) -> list[Any]:
    """Return the layers of a model that take strings."""
    return [layer for layer in raw.layers if type(layer).__name__ in ("StringLookup", "TextVectorization")]


def stateful_parts(model: ExportModel) -> list[Any]:
    """Return the parts of a model with variables or tables, without searching thousands of inputs for them."""
    return [model.core, model.preprocess, *string_layers(model.raw)]


@dataclass(frozen=True)
class ModelTail:
    """A model without some of its first layers.

    Args:
        rest: The model, with a new input for the output of each removed layer.
        layers: For each of these inputs, the layer, and the names of the inputs of the exported model that it took,
            which are several if it took them side by side.
    """

    rest: keras.Model
    layers: Mapping[str, tuple[Any, tuple[str, ...]]]

    def inputs(self, model: ExportModel) -> dict[str, Any]:
        """Return the shape and dtype of everything that `rest` needs, before packing, by name.

        Args:
            model: The whole model.
        """
        gone = {source for _, sources in self.layers.values() for source in sources}
        taken, of_rest = model.taken(), inputs_of(self.rest)
        found = {name: taken[own] for name, own in model.inputs().items() if name not in gone}
        return found | {ids: of_rest[ids] for ids in self.layers}


def cut_behind(model: ExportModel, layers: Sequence[Any]) -> ModelTail:
    """Cut off layers that take inputs of the model directly.

    Args:
        model: The model.
        layers: The layers.

    Raises:
        RunError: A layer takes something else than an input.
    """
    import keras

    if not layers:
        return ModelTail(model.whole(), {})
    given, names = inputs_of(model.raw), model.joined()
    name_of = {own: name for name, own in model.inputs().items()}
    cut: dict[str, tuple[Any, tuple[str, ...]]] = {}
    taken = set()
    givens = Givens(model.raw)
    for layer in layers:
        ids = f"ids_{len(cut)}"
        # A column of the user may have this name already.
        while ids in names:
            ids += "_"
        own = givens.name_of(layer.input)
        if own is None:
            raise RunError(f"{layer.name} takes strings that the model computes", hint="--to savedmodel")
        cut[ids] = layer, tuple(name_of[each] for each in model.packs.get(own, (own,)))
        taken.add(own)
    behind = {name: given[own] for name, own in names.items() if own not in taken}
    behind |= {ids: layer.output for ids, (layer, _) in cut.items()}
    rest = keras.Model(list(behind.values()), model.raw.output, name="raw")
    renamed = zip(behind, (tensor.name for tensor in rest.inputs), strict=True)
    return ModelTail(model.after(rest, dict(renamed)), cut)


def lookup_ids(layer: Any) -> tuple[dict[str, int], int]:
    """Return the id of each known string in a `StringLookup`, and the id of all others.

    Args:
        layer: The layer.

    Raises:
        RunError: The layer does something that only Keras supports.
    """
    config = layer.get_config()
    if config["output_mode"] != "int" or config["num_oov_indices"] != 1 or config["invert"]:
        raise RunError(
            f"{layer.name} (StringLookup) does more than giving each known string an id, and one id to all others",
            hint="--to keras, or --to savedmodel",
        )
    # The special ids come first: the mask token, if there is one, then the one of all unknown strings.
    begin = 1 + (config["mask_token"] is not None)
    ids = {token: begin + number for number, token in enumerate(layer.get_vocabulary(include_special_tokens=False))}
    if config["mask_token"] is not None:
        ids[config["mask_token"]] = 0
    return ids, begin - 1
