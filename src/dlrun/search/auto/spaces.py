"""The space that is worth searching for each kind of data, around the config that `dlrun init` writes for it.

The values of that config are a point of the space, which the search tries first. So its result is not worse on the
validation split than the config itself, and a key is varied in the direction of more and of less.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dlrun.init_config.draft import ConfigDraft, Key, Section

Values = Mapping[str, Any]
_LEARNING_RATE_FACTOR = 4.0
_MOST_DROPOUT = 0.6
_DROPOUT_STEP = 0.1
_LARGE_TABLE_BINS = 64


@dataclass(frozen=True)
class SearchedKey:
    """A key that the search varies.

    Args:
        key: The key of the spec, with dots.
        values: A range or choices, as the section `search.space` takes them.
        comment: Why these.
    """

    key: str
    values: dict[str, Any]
    comment: str = ""


def space_around(draft: ConfigDraft) -> tuple[SearchedKey, ...]:
    """Return the axes of a space around a drafted config.

    Args:
        draft: What `dlrun init` writes for the data.
    """
    dataset, model = keys_of(draft.dataset), keys_of(draft.model)
    of_kind = _SPACES.get(str(dataset.get("type")), _of_model)
    return (*of_kind(dataset, model), *_training(draft))


def keys_of(section: Section) -> dict[str, Any]:
    """Return the values of a drafted section by their keys."""
    return {line.name: line.value for line in section if isinstance(line, Key)}


def _training(draft: ConfigDraft) -> Iterator[SearchedKey]:
    """Yield what every kind of data has: learning rate, weight decay if there is one, and batch size."""
    optimizer = {"learning_rate": draft.optimizer} if isinstance(draft.optimizer, float) else draft.optimizer.value
    rate = float(optimizer["learning_rate"])
    low, high = rate / _LEARNING_RATE_FACTOR, rate * _LEARNING_RATE_FACTOR
    yield SearchedKey(
        "optimizer.learning_rate", _range(low, high, log=True), "a quarter of the usual one to four times as much"
    )
    if decay := float(optimizer.get("weight_decay", 0.0)):
        yield SearchedKey("optimizer.weight_decay", _range(decay / 30, decay * 100, log=True))
    batch = keys_of(draft.training).get("batch_size", 32)
    batches = dict.fromkeys((max(min(8, batch), batch // 2), batch, batch * 2))  # small ones are not halved
    yield SearchedKey("training.batch_size", {"choices": [*batches]})


def _of_table(dataset: Values, model: Values) -> Iterator[SearchedKey]:
    """Yield the architectures for tables: wider and deeper ones, and others if the first is a TabM."""
    if model.get("type") != "tabm":
        yield from _of_model(dataset, model)
        return
    units = list(model["units"])
    wider, deeper = [size * 2 for size in units], [*units, units[-1]]
    searched = {**model, "units": {"choices": [units, wider, deeper]}, "dropout": _dropout(model)}
    if isinstance(model.get("numeric_embedding"), Mapping):
        searched["numeric_embedding"] = {"choices": [dict(model["numeric_embedding"]), *_other_embedding(model)]}
    other = {"type": "realmlp", "dropout": _range(0.0, 0.3, step=0.15)}
    comment = "networks of several sizes; the config's own is tried first"
    yield SearchedKey("model", {"choices": [searched, other, {"type": "linear"}]}, comment)


def _other_embedding(model: Values) -> Iterator[dict[str, Any]]:
    if model["numeric_embedding"].get("type") == "periodic":
        yield {"type": "piecewise_linear", "bins": _LARGE_TABLE_BINS, "size": 12}
    else:
        yield {"type": "periodic", "form": "pbld", "size": 16}


def _of_images(dataset: Values, model: Values) -> Iterator[SearchedKey]:
    """Yield what `_of_convolutions` does, and how much training images are changed."""
    yield from _of_unet(model) if model.get("type") == "unet" else _of_convolutions(dataset, model)
    if {"blocks", "filters"} & model.keys() and isinstance(augmentation := dataset.get("augmentation"), Mapping):
        less = {key: value for key, value in augmentation.items() if key in ("flip", "translation")}
        options = [dict(augmentation), less, {**augmentation, "cutout": 0.25}]
        yield SearchedKey("dataset.augmentation", {"choices": options}, "as drafted, less, or more")


def _of_audio(dataset: Values, model: Values) -> Iterator[SearchedKey]:
    """Yield what `_of_convolutions` does, the range of loudness, and how much training recordings are changed."""
    yield from _of_convolutions(dataset, model)
    yield SearchedKey("dataset.dynamic_range", {"choices": [50, 80]}, "decibels above which softer sound is silence")
    if isinstance(augmentation := dataset.get("augmentation"), Mapping):
        less = {key: value for key, value in augmentation.items() if key == "time_shift"}
        yield SearchedKey("dataset.augmentation", {"choices": [dict(augmentation), less]}, "as drafted, or less")


def _of_convolutions(dataset: Values, model: Values) -> Iterator[SearchedKey]:
    """Yield width and depth of the convolutions, and dropout."""
    blocks = [dict(block) for block in model.get("blocks", ())]
    if not blocks:
        yield from _of_model(dataset, model)
        return
    wider = [{**block, "filters": block["filters"] * 2} for block in blocks]
    deeper = [each for block in blocks for each in (_without_pool(block), block)]
    comment = "as drafted, with twice the filters, or with two convolutions before each pooling"
    yield SearchedKey("model.blocks", {"choices": [blocks, wider, deeper]}, comment)
    yield SearchedKey("model.dropout", _dropout(model))
    yield SearchedKey("model.batch_normalization", {"choices": [False, True]})


def _of_unet(model: Values) -> Iterator[SearchedKey]:
    """Yield the width of a U-Net, its dropout, and shortcuts around the convolutions of a level."""
    filters = list(model["filters"])
    comment = "as drafted, or with twice the filters"
    yield SearchedKey("model.filters", {"choices": [filters, [2 * each for each in filters]]}, comment)
    yield SearchedKey("model.dropout", _range(0.0, 0.2, step=_DROPOUT_STEP))
    yield SearchedKey("model.residual", {"choices": [False, True]})


def _without_pool(block: Values) -> dict[str, Any]:
    return {key: value for key, value in block.items() if key != "pool_size"}


def _of_text(dataset: Values, model: Values) -> Iterator[SearchedKey]:
    """Yield the size of the vocabulary, and networks that read words in order."""
    words = int(dataset.get("vocabulary_size", 10_000))
    yield SearchedKey("dataset.vocabulary_size", {"choices": [words // 2, words, words * 2]})
    if "embedding_size" not in model:
        yield from _of_model(dataset, model)
        return
    size = int(model["embedding_size"])
    blocks = [{"filters": 64, "kernel_size": 3, "padding": "same"}]
    convolutions = {
        "type": "cnn",
        "embedding_size": {"choices": [size, size * 2]},
        "blocks": {"choices": [blocks, [{**blocks[0], "filters": 128, "kernel_size": 5}]]},
        "pooling": "global_max",
        "dropout": _range(0.2, _MOST_DROPOUT, step=_DROPOUT_STEP),
    }
    own = {**model, "dropout": _dropout(model)}
    if "units" in model:
        own["units"] = {"choices": [list(model["units"]), [size * 2 for size in model["units"]]]}
    gated = {**own, "type": "gru"} if model.get("type") == "lstm" else {**own, "type": "lstm"}
    yield SearchedKey("model", {"choices": [own, convolutions, gated]}, "recurrent or convolutional")


def _of_series(dataset: Values, model: Values) -> Iterator[SearchedKey]:
    """Yield how many rows a prediction is made from, and a linear model beside networks."""
    history = int(dataset.get("history", 0))
    if history >= 2:
        yield SearchedKey("dataset.history", {"choices": [max(1, history // 2), history, history * 2]})
    shortcut = {"linear_shortcut": True} if model.get("linear_shortcut", True) else {}
    network = {"type": "mlp", "units": {"choices": [[32], [64], [128, 64]]}, "dropout": _range(0.0, 0.3, step=0.1)}
    linear = {"type": "linear", "solver": "least_squares"}
    others = ({**network, **shortcut}, {"type": "gru", "units": [32]}, linear)
    options = [_with_choices(model), *(each for each in others if each["type"] != model["type"])]
    yield SearchedKey("model", {"choices": options}, "linear, or networks")


def _of_model(_dataset: Values, model: Values) -> Iterator[SearchedKey]:
    """Yield width and dropout of any model that has them."""
    if units := model.get("units"):
        options = [list(units), [size * 2 for size in units], [*units, units[-1]]]
        yield SearchedKey("model.units", {"choices": options})
        yield SearchedKey("model.dropout", _dropout(model))


def _with_choices(model: Values) -> dict[str, Any]:
    """Return a model whose width is searched, too."""
    units = model.get("units")
    return {**model, "units": {"choices": [list(units), [2 * size for size in units]]}} if units else dict(model)


def _dropout(model: Values) -> dict[str, Any]:
    """Return a range of dropout rates that has the model's own."""
    own = float(model.get("dropout", 0.0))
    step = _DROPOUT_STEP if round(own / _DROPOUT_STEP, 6) == round(own / _DROPOUT_STEP) else _DROPOUT_STEP / 2
    return _range(0.0, _MOST_DROPOUT, step=step)


def _range(low: float, high: float, **more: Any) -> dict[str, Any]:
    return {"low": low, "high": high, **more}


_SPACES: dict[str, Callable[[Values, Values], Iterator[SearchedKey]]] = {
    "audio": _of_audio,
    "table": _of_table,
    "images": _of_images,
    "text": _of_text,
    "series": _of_series,
}
