"""Explain the predictions of a run: by pixels for images, by words for texts, by columns for other data."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from dlrun.data.interface import Interface
from dlrun.data.raw_input import Examples
from dlrun.errors import DataError, UsageError
from dlrun.explanation.pixels import Method
from dlrun.explanation.words import texts_of, tokens_of, word_weights
from dlrun.runs import RUNS_DIR
from dlrun.runs.folder import RunFolder
from dlrun.runs.interface import data_changes, read_interface
from dlrun.runs.query.catalog import find_run
from dlrun.runs.record import DatasetRecord
from dlrun.scoring.deciding import decide
from dlrun.scoring.importances import Importance, change_of, loss_of, permutation_importances
from dlrun.signature import Target
from dlrun.spec.stored import read_stored_spec
from dlrun.system.tensorflow_start import start_tensorflow
from dlrun.training.progress.events import Listener, Note, silent

if TYPE_CHECKING:
    import keras

    from dlrun.spec.parse import SpecFile
    from dlrun.training.trained import Trained

Array = npt.NDArray[Any]

_COMPARED_ROWS, _SPLIT_ROWS = 200, 2_000
MOST_ROWS = 10_000
"""Maximum number of examples for measuring the importance of columns."""


@dataclass(frozen=True)
class ExampleExplanation:
    """The explanation of a prediction.

    Args:
        name: Name of the example.
        explained: Class, label or value that is explained.
        prediction: Its probability, or the predicted value.
        heat: Importance of each pixel, from 0 to 1; empty for texts.
        picture: The image; empty for texts.
        weights: Words with their importance, in the order of the text; empty for images.
        method: Method of explanation.
        checkpoint: Name of the explained checkpoint.

    Shape:
        heat: `(height, width)`. picture: `(height, width, channels)` uint8.
    """

    name: str
    explained: str
    prediction: float
    heat: Array
    picture: Array
    weights: tuple[tuple[str, float], ...]
    method: str
    checkpoint: str


@dataclass(frozen=True)
class ColumnImportances:
    """The importance of columns for the predictions.

    Args:
        importances: Importance of each column, most important first.
        measure: Quantity that grows when the values of a column are shuffled; of an autoencoder, its error.
        examples: Number of examples.
        checkpoint: Name of the explained checkpoint.
        split: The split with the examples; empty for those of a file.
        method: `permutation` over all examples, `replacement` in a single one, or `reconstruction`: what each column
            adds to the error of an autoencoder.
    """

    importances: tuple[Importance, ...]
    measure: str
    examples: int
    checkpoint: str
    method: Literal["permutation", "replacement", "reconstruction"] = "permutation"
    split: str = ""


@dataclass(frozen=True)
class Explanation:
    """The explanation of the predictions of a run.

    Args:
        columns: The importance of each column over all examples; None for images and texts.
        examples: One explanation for each image or text, computed while they are read; empty for other data.
    """

    columns: ColumnImportances | None
    examples: Iterator[ExampleExplanation]


def explain(  # noqa: PLR0913  each argument is an option of the command
    run: str | Path,
    source: str | Path | Sequence[str | Path] | None = None,
    *,
    about: str = "",
    method: Method = "auto",
    limit: int = 20,
    checkpoint: str = "final",
    trust_plugins: bool = False,
    runs_dir: str | Path = RUNS_DIR,
    listener: Listener = silent,
) -> Explanation:
    """Explain the predictions of the model of a run by the pixels, words or columns that they depend on.

    Args:
        run: Id of the run, a part of it, a path, `last`, or `best:KEY`.
        source: A file, a folder, a pattern, or `-` for standard input, with the kind of data that the run was trained
            on; or several. None for the importance of columns on the test split, or else on the validation split.
        about: Name or index of a class, label or value to explain; empty for the predicted one.
        method: `auto`, `grad_cam` or `smooth_grad`, for images.
        limit: Maximum number of images or texts to explain.
        checkpoint: `final` (the result of the training), `last`, `best`, or the name of a checkpoint.
        trust_plugins: Whether to load the plugins, which are code, of a run that was made elsewhere.
        runs_dir: Folder of the runs.
        listener: Function that receives every event.

    Returns:
        For images and texts, an explanation of each; for other data, the importance of the columns.

    Raises:
        UsageError: The run, checkpoint or class does not exist, the method does not fit the model, or the source is
            missing and the run does not predict from columns.
        DataError: The input is missing, or does not match the training data.
        RunError: The run has no trained model, or is damaged.
    """
    sources = [str(source)] if isinstance(source, str | Path) else [str(each) for each in source or ()]
    folder = find_run(str(run), runs_dir=Path(runs_dir), is_trained=True)
    file = read_stored_spec(folder, trust_plugins=trust_plugins, looks_at_data=False)
    interface = read_interface(folder).read_as(file.spec.dataset)
    target, texts = interface.target, texts_of(interface.raw)
    one_by_one = bool(texts) or _has_pixels(interface)
    if target.kind == "input" and texts:
        raise UsageError(
            f"{folder.id} is an autoencoder of texts", expected="an autoencoder of images or columns, or another model"
        )
    output = _output(about, target)
    if source is None and (one_by_one or target.kind == "input"):
        what = f"{folder.id} needs an INPUT to explain, because it does not predict a target from columns"
        raise UsageError(what, expected="a file or a folder of the kind that the run was trained on")
    # Report problems of the input before TensorFlow starts, which takes seconds.
    examples: Iterator[Examples] = iter(())
    if one_by_one:
        examples = interface.read(sources, tell=lambda text: listener(Note("warning", text)))
    held_out = None if source is not None else _held_out(folder, file, interface)
    labelled, without = (held_out.examples if held_out else None), ""
    if not one_by_one and held_out is None:
        labelled, without = _table(interface, sources)
    start_tensorflow()
    from dlrun.training.trained import load_trained

    trained = load_trained(folder, file.spec, checkpoint=checkpoint, listener=listener)
    if labelled is not None:
        if target.kind == "input":
            return Explanation(_columns_of_error(trained, labelled, _training_rows(file)), iter(()))
        if without:
            instead = "the change of predictions is measured instead of the loss"
            listener(Note("measure", f"the input has no labels ({without}), so {instead}"))
        if len(labelled) == 1:
            found = _columns_of_one(trained, labelled, output, _training_rows(file))
        else:
            found = _columns(trained, labelled, output, weights=held_out.weights if held_out else labelled.weight)
        return Explanation(replace(found, split=held_out.split if held_out else ""), iter(()))
    if texts:
        several = _explain_texts(trained, examples, output)
    else:
        several = _explain_images(trained, examples, output, method=method)
    return Explanation(None, itertools.islice(several, limit))


def _has_pixels(interface: Interface) -> bool:
    """Return whether the examples are images.

    Raises:
        UsageError: The members of an ensemble read images in different forms, so that they have no common pixels.
    """
    features = interface.features
    if not features.members:
        return features.kind == "image"
    are_images = any(member.kind == "image" for member in features.members)
    if are_images and interface.raw.type == "ensemble":
        raise UsageError(
            "the members of the ensemble read images in different forms, so there are no common pixels to explain",
            expected="members with the same size of images",
            hint="explain a member instead",
        )
    return are_images


def _output(about: str, target: Target) -> int | None:
    """Return the index of the output to explain; None for the predicted one of each example."""
    if not about:
        return None
    names = list(target.output_names)
    if about in names:
        return names.index(about)
    if about.isdecimal() and int(about) < target.size:
        return int(about)
    raise UsageError(f"the model has no output {about!r}", expected="one of " + ", ".join(names[:20]))


def _chosen(outputs: Array, output: int | None, target: Target) -> tuple[int, str, float]:
    """Return the index and the name of the output to explain, and its prediction."""
    if output is not None:
        number = output
    elif target.kind == "classes":
        number = int(decide(outputs[None], target)[0])
    else:
        number = int(outputs.argmax()) if target.kind != "values" else 0
    return number, target.output_names[number], float(outputs[number])


def _explain_images(
    trained: Trained, examples: Iterator[Examples], output: int | None, *, method: Method
) -> Iterator[ExampleExplanation]:
    from dlrun.explanation.pixels import heat

    predictor, target = trained.predictor(), trained.interface.target
    core = _from_pixels(trained) if trained.interface.features.members else trained.core
    for some in examples:
        features = predictor.features(some.stored) if core is trained.core else some.stored.astype(np.float32)
        for index, name in enumerate(some.names):
            picture = _picture(features[index])
            if target.kind == "input":
                again = predictor(some.stored[index : index + 1])[0]
                error = np.square(again - features[index]).mean(axis=-1)
                found = error / (error.max() or 1.0)
                yield ExampleExplanation(
                    name,
                    "reconstruction_error",
                    float(error.mean()),
                    found,
                    picture,
                    (),
                    "squared_error",
                    trained.checkpoint,
                )
                continue
            outputs = predictor(some.stored[index : index + 1])[0]
            number, label, value = _chosen(outputs, output, target)
            found, used = heat(core, features[index], number, target, method=method)
            yield ExampleExplanation(name, label, value, found, picture, (), used, trained.checkpoint)


def _from_pixels(trained: Trained) -> keras.Model:
    """Return the network of an ensemble with its preprocessing, because each member has features of its own."""
    import keras

    pixels = keras.Input(trained.interface.preprocess.raw_shape, dtype="float32", name="pixels")
    features = trained.preprocess()(pixels, training=False)
    return keras.Model(pixels, trained.core(features, training=False), name="from_pixels")


def _explain_texts(trained: Trained, examples: Iterator[Examples], output: int | None) -> Iterator[ExampleExplanation]:
    predictor, target, texts = trained.predictor(), trained.interface.target, texts_of(trained.interface.raw)
    lengths = [raw.sequence_length for raw in texts]
    longest = max(texts, key=lambda raw: raw.sequence_length)
    none = np.zeros(0, np.float32)
    for some in examples:
        for index, name in enumerate(some.names):
            stored = some.stored[index]
            number, label, value = _chosen(predictor(stored[None])[0], output, target)
            weights = word_weights(predictor, stored, number, lengths=lengths)
            # Of an ensemble, the origin is what each member has read.
            given = some.origin if len(texts) == 1 else some.origin[0].origin
            words = tokens_of(longest, given[index], len(weights))
            pairs = tuple(zip(words, weights.tolist(), strict=False))
            yield ExampleExplanation(name, label, value, none, none, pairs, "occlusion", trained.checkpoint)


def _table(interface: Interface, sources: Sequence[str]) -> tuple[Examples, str]:
    """Return the first examples of a file with their target, or without it and the reason."""
    if interface.target.kind == "input":
        return _join(interface.read(sources)), ""
    try:
        return _join(interface.read(sources, target=interface.target)), ""
    except DataError as error:  # no labels, or another problem, which reading without labels raises again
        if "-" in sources:
            raise DataError(
                error.what, expected=error.expected, hint="standard input can be read only once, so it needs labels"
            ) from error
        return _join(interface.read(sources)), error.what


def _join(blocks: Iterator[Examples]) -> Examples:
    taken: list[Examples] = []
    for block in blocks:
        taken.append(block)
        if sum(map(len, taken)) >= MOST_ROWS:
            break
    targets = [block.target for block in taken if block.target is not None]
    target = np.concatenate(targets)[:MOST_ROWS] if targets else None
    names = [name for block in taken for name in block.names][:MOST_ROWS]
    weights = [block.weight for block in taken if block.weight is not None]
    weight = np.concatenate(weights)[:MOST_ROWS] if weights else None
    return Examples(names, np.concatenate([block.stored for block in taken])[:MOST_ROWS], target, weight=weight)


@dataclass(frozen=True)
class _HeldOut:
    """Examples of a split of the data of a run, with their weights."""

    split: str
    examples: Examples
    weights: Array | None


def _held_out(folder: RunFolder, file: SpecFile, interface: Interface) -> _HeldOut:
    """Return examples of the test split, or of the validation split if there is no other, or of the training split.

    Raises:
        DataError: The data cannot be read, has changed, or the run was made elsewhere.
    """
    if not file.trust.data:
        raise DataError(
            f"the data of {folder.id} is not read, because the run was made elsewhere", expected="an INPUT to explain"
        )
    dataset = file.spec.dataset.load()
    if changes := data_changes(folder, DatasetRecord.of(dataset), interface):
        label = file.spec.dataset.data_label(dataset)
        raise DataError(f"{label} has changed since the training: {'; '.join(changes)}", expected="an INPUT to explain")
    split = next(name for name in ("test", "validation", "train") if name in dataset.splits)
    of_split = dataset.splits[split]
    # Evenly spaced, because the rows of a file may be in some order.
    chosen = np.linspace(0, len(of_split) - 1, min(len(of_split), _SPLIT_ROWS)).astype(np.int64)
    part = of_split.take(chosen)
    names = [f"example {number}" for number in chosen.tolist()]
    return _HeldOut(split, Examples(names, np.asarray(part.features), part.target), part.example_weight)


def _columns(
    trained: Trained, examples: Examples, output: int | None, *, weights: Array | None = None
) -> ColumnImportances:
    if not len(examples):
        raise DataError("there is no example to explain", expected="at least one row")
    predictor, interface = trained.predictor(), trained.interface
    if examples.target is not None:
        measure = loss_of(examples.target, interface.target, output, weights=weights)
    else:
        measure = change_of(predictor(examples.stored), output)
    columns = interface.raw.columns_of_stored() or _number_features(examples.stored.shape[-1])
    importances = permutation_importances(predictor, examples.stored, columns, measure=measure)
    return ColumnImportances(importances, measure.name, len(examples), trained.checkpoint)


def _columns_of_error(trained: Trained, examples: Examples, others: Array) -> ColumnImportances:
    """Return how much the values of each column add to the error of an autoencoder: what makes rows unusual.

    The error of the column's own reconstruction would not show it: one unusual value spoils the reconstruction of all.

    Formula:
        the mean over the examples and over rows r of the training split of
        error(example) - error(example with the value of r in the column)
    """
    if not len(examples):
        raise DataError("there is no example to explain", expected="at least one row")
    predictor, interface, stored = trained.predictor(), trained.interface, examples.stored
    error, turns = predictor.reconstruction_errors(stored), max(2, _COMPARED_ROWS // len(stored))
    # The mean is over all pairs: few examples need many rows each, for many examples two are enough.
    chosen = np.random.default_rng(0).integers(len(others), size=len(stored) * turns)
    found = []
    for name, places in (interface.raw.columns_of_stored() or _number_features(stored.shape[-1])).items():
        changed = np.repeat(stored, turns, axis=0)
        changed[..., list(places)] = others[chosen][..., list(places)]
        added = np.repeat(error, turns) - predictor.reconstruction_errors(changed)
        found.append(Importance(name, float(added.mean()), float(added.std())))
    ranked = tuple(sorted(found, key=lambda each: -each.mean))
    return ColumnImportances(ranked, "reconstruction error", len(examples), trained.checkpoint, "reconstruction")


def _training_rows(file: SpecFile) -> Array:
    """Return some rows of the training split to compare a single row, or those of an autoencoder, with.

    Raises:
        DataError: The training data cannot be read, or the run was made elsewhere.
    """
    if not file.trust.data:
        raise DataError(
            "the rows are compared with the training data, which is not read for a run that was made elsewhere",
            expected="a file of many rows and a model with a target, for which they are compared with each other",
        )
    features = file.spec.dataset.load().splits["train"].features
    chosen = np.random.default_rng(0).permutation(len(features))[:_COMPARED_ROWS]
    return np.asarray(features[np.sort(chosen)])


def _columns_of_one(trained: Trained, example: Examples, output: int | None, others: Array) -> ColumnImportances:
    """Return how much the value of each column raises the prediction for one row, compared with other rows.

    Formula:
        f(row) - mean over rows r of the training split of f(row with the value of r in the column)
    """
    predictor, interface = trained.predictor(), trained.interface
    number, label, value = _chosen(predictor(example.stored)[0], output, interface.target)
    columns = interface.raw.columns_of_stored() or _number_features(example.stored.shape[-1])
    found = []
    for name, places in columns.items():
        changed = np.repeat(example.stored, len(others), axis=0)
        changed[..., list(places)] = others[..., list(places)]
        outputs = predictor(changed)[:, number]
        found.append(Importance(name, value - float(outputs.mean()), float(outputs.std())))
    ranked = sorted(found, key=lambda each: -abs(each.mean))
    name = label if interface.target.kind == "values" else f"probability of {label}"
    return ColumnImportances(tuple(ranked), name, 1, trained.checkpoint, "replacement")


def _number_features(width: int) -> Mapping[str, tuple[int, ...]]:
    return {f"feature {place}": (place,) for place in range(width)}


def _picture(features: Array) -> Array:
    """Return features as pixels, scaled to 0..255."""
    # Features are pixels divided by 255, or standardized, where the original range is unknown.
    low, high = float(features.min()), float(features.max())
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    return np.clip((features - low) * 255 / ((high - low) or 1.0), 0, 255).round().astype(np.uint8)
