"""A run and raw input in, what its predictions rest on out: pixels of images, words of texts, columns of the rest."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dlrun.data.interface import Interface
from dlrun.data.raw_input import Examples
from dlrun.data.text.input import TextInput
from dlrun.errors import DataError, UsageError
from dlrun.explanation.pixels import Method
from dlrun.runs import RUNS_DIR
from dlrun.runs.interface import read_interface
from dlrun.runs.query.catalog import find_run
from dlrun.scoring.importances import Importance, change_of, loss_of, permutation_importances
from dlrun.signature import Target
from dlrun.spec.stored import read_stored_spec
from dlrun.system.tensorflow_start import start_tensorflow
from dlrun.training.progress.events import Listener, Note, silent

if TYPE_CHECKING:
    from dlrun.spec.parse import SpecFile
    from dlrun.training.trained import Trained

Array = npt.NDArray[Any]

_COMPARED_ROWS = 200
MOST_ROWS = 10_000
"""Examples that the importance of columns is measured on."""


@dataclass(frozen=True)
class ExampleExplanation:
    """One prediction and what it rests on.

    Args:
        name: Of the example.
        said: The class, label or value that is explained.
        prediction: Its probability, or the value.
        heat: Of each pixel, from 0 to 1; empty for texts.
        picture: The image itself; empty for texts.
        weights: Of each word, in the order of the text; empty for images.
        method: How it was found out.
        checkpoint: Name of the checkpoint that was used.

    Shape:
        heat: `(height, width)`. picture: `(height, width, channels)` uint8.
    """

    name: str
    said: str
    prediction: float
    heat: Array
    picture: Array
    weights: tuple[tuple[str, float], ...]
    method: str
    checkpoint: str


@dataclass(frozen=True)
class ColumnImportances:
    """What the predictions for many examples rest on.

    Args:
        importances: By column, the most important first.
        measure: What rises when the values of a column are exchanged.
        examples: Number of examples.
        checkpoint: Name of the checkpoint that was used.
    """

    importances: tuple[Importance, ...]
    measure: str
    examples: int
    checkpoint: str


@dataclass(frozen=True)
class Explanation:
    """What the predictions of a run's model rest on.

    Args:
        columns: How important each column is, for the examples together; None for images and texts.
        examples: One explanation for each image or text, found while they are read; empty for everything else.
    """

    columns: ColumnImportances | None
    examples: Iterator[ExampleExplanation]


def explain(  # noqa: PLR0913  an option each, by keyword
    run: str | Path,
    source: str | Path | Sequence[str | Path],
    *,
    about: str = "",
    method: Method = "auto",
    limit: int = 20,
    checkpoint: str = "final",
    trust_plugins: bool = False,
    runs_dir: str | Path = RUNS_DIR,
    listener: Listener = silent,
) -> Explanation:
    """Find out which pixels, words or columns the predictions of a run's model rest on.

    Args:
        run: The run: an id, a part of one, a path, `last`, or `best:KEY`.
        source: A file, a folder, a glob, or `-` for standard input, of the kind that the run was trained on; or
            several.
        about: Name or number of the class, label or value to explain; empty: what is predicted.
        method: `auto`, `grad_cam` or `smooth_grad`, for images.
        limit: The largest number of images or texts to explain.
        checkpoint: `final` (what training ended with), `last`, `best`, or a checkpoint's name.
        trust_plugins: Whether to load the plugins, which are code, of a run that was not made here.
        runs_dir: The folder to look for runs in.
        listener: Called with every event.

    Returns:
        For images and texts an explanation of each; for everything else the importance of the columns.

    Raises:
        UsageError: There is no such run, checkpoint or class, or the method does not fit.
        DataError: The input is missing, or is not what the model was trained on.
        RunError: The run has not begun to train, or is damaged.
    """
    sources = [str(source)] if isinstance(source, str | Path) else [str(each) for each in source]
    folder = find_run(str(run), runs_dir=Path(runs_dir), is_trained=True)
    file = read_stored_spec(folder, trust_plugins=trust_plugins, looks_at_data=False)
    interface = read_interface(folder).read_as(file.spec.dataset)
    kind, target = interface.features.kind, interface.target
    one_by_one = kind == "image" or isinstance(interface.raw, TextInput)
    if target.kind == "input" and kind != "image":
        raise UsageError(
            f"{folder.id} is an autoencoder of {kind} features", expected="one of images, or another model"
        )
    output = _output(about, target)
    examples: Iterator[Examples] = iter(())
    if one_by_one:
        examples = interface.read(sources, tell=lambda said: listener(Note("warning", said)))
    labelled, without = (None, "") if one_by_one else _table(interface, sources)
    start_tensorflow()
    from dlrun.training.trained import load_trained

    trained = load_trained(folder, file.spec, checkpoint=checkpoint, listener=listener)
    if labelled is not None:
        if without:
            said = "how far predictions move is measured, not how wrong they get"
            listener(Note("measure", f"the input has no labels to compare with ({without}): {said}"))
        if len(labelled) == 1:
            return Explanation(_columns_of_one(trained, labelled, output, _training_rows(file)), iter(()))
        return Explanation(_columns(trained, labelled, output), iter(()))
    if isinstance(interface.raw, TextInput):
        several = _explain_texts(trained, examples, output)
    else:
        several = _explain_images(trained, examples, output, method=method)
    return Explanation(None, itertools.islice(several, limit))


def _output(about: str, target: Target) -> int | None:
    """The number of what is to be explained; None: of each example what is predicted."""
    if not about:
        return None
    names = list(target.output_names)
    if about in names:
        return names.index(about)
    if about.isdecimal() and int(about) < target.size:
        return int(about)
    raise UsageError(f"the model predicts nothing called {about!r}", expected="one of " + ", ".join(names[:20]))


def _chosen(outputs: Array, output: int | None, target: Target) -> tuple[int, str, float]:
    """What is explained of one prediction: its number, its name, and the prediction."""
    number = output if output is not None else int(outputs.argmax()) if target.kind != "values" else 0
    return number, target.output_names[number], float(outputs[number])


def _explain_images(
    trained: Trained, examples: Iterator[Examples], output: int | None, *, method: Method
) -> Iterator[ExampleExplanation]:
    from dlrun.explanation.pixels import heat

    predictor, target = trained.predictor(), trained.interface.target
    for some in examples:
        features = predictor.features(some.stored)
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
            number, said, value = _chosen(outputs, output, target)
            found, used = heat(trained.core, features[index], number, target, method=method)
            yield ExampleExplanation(name, said, value, found, picture, (), used, trained.checkpoint)


def _explain_texts(trained: Trained, examples: Iterator[Examples], output: int | None) -> Iterator[ExampleExplanation]:
    from dlrun.explanation.words import tokens_of, word_weights

    predictor, target, raw = trained.predictor(), trained.interface.target, trained.interface.raw
    none = np.zeros(0, np.float32)
    for some in examples:
        for index, name in enumerate(some.names):
            stored = some.stored[index]
            number, said, value = _chosen(predictor(stored[None])[0], output, target)
            weights = word_weights(predictor, stored, number)
            words = tokens_of(raw, some.origin[index], len(weights)) if isinstance(raw, TextInput) else []
            pairs = tuple(zip(words, weights.tolist(), strict=False))
            yield ExampleExplanation(name, said, value, none, none, pairs, "occlusion", trained.checkpoint)


def _table(interface: Interface, sources: Sequence[str]) -> tuple[Examples, str]:
    """The first examples of a file, with what is to be predicted if it is there; else why it is not."""
    try:
        return _joined(interface.read(sources, target=interface.target)), ""
    except DataError as error:  # it has no labels, or is wrong in another way, which reading without them tells
        if "-" in sources:
            raise DataError(
                error.what, expected=error.expected, hint="standard input has to have the labels too"
            ) from error
        return _joined(interface.read(sources)), error.what


def _joined(blocks: Iterator[Examples]) -> Examples:
    taken: list[Examples] = []
    for block in blocks:
        taken.append(block)
        if sum(map(len, taken)) >= MOST_ROWS:
            break
    targets = [block.target for block in taken if block.target is not None]
    target = np.concatenate(targets)[:MOST_ROWS] if targets else None
    names = [name for block in taken for name in block.names][:MOST_ROWS]
    return Examples(names, np.concatenate([block.stored for block in taken])[:MOST_ROWS], target)


def _columns(trained: Trained, examples: Examples, output: int | None) -> ColumnImportances:
    if not len(examples):
        raise DataError("there is no example to explain", expected="one row at least")
    predictor, interface = trained.predictor(), trained.interface
    if examples.target is not None:
        measure, name = loss_of(examples.target, interface.target, output)
    else:
        measure, name = change_of(predictor(examples.stored), output)
    columns = interface.raw.columns_of_stored() or _numbered(examples.stored.shape[-1])
    importances = permutation_importances(predictor, examples.stored, columns, measure=measure)
    return ColumnImportances(importances, name, len(examples), trained.checkpoint)


def _training_rows(file: SpecFile) -> Array:
    """Some rows of the training split, whose values one row is compared with.

    Raises:
        DataError: They cannot be read now, or the run was not made here.
    """
    if not file.trust.data:
        raise DataError(
            "one row is compared with the training data, and this run, which was not made here, is not asked for it",
            expected="a file of many rows, whose values are then exchanged",
        )
    features = file.spec.dataset.load().splits["train"].features
    chosen = np.random.default_rng(0).permutation(len(features))[:_COMPARED_ROWS]
    return np.asarray(features[np.sort(chosen)])


def _columns_of_one(trained: Trained, example: Examples, output: int | None, others: Array) -> ColumnImportances:
    """How much higher one row's prediction is by its own value of a column than by those of other rows.

    Formula:
        f(row) - mean over rows r of the training split of f(row with r's value of the column)
    """
    predictor, interface = trained.predictor(), trained.interface
    number, said, value = _chosen(predictor(example.stored)[0], output, interface.target)
    columns = interface.raw.columns_of_stored() or _numbered(example.stored.shape[-1])
    found = []
    for name, places in columns.items():
        changed = np.repeat(example.stored, len(others), axis=0)
        changed[..., list(places)] = others[..., list(places)]
        outputs = predictor(changed)[:, number]
        found.append(Importance(name, value - float(outputs.mean()), float(outputs.std())))
    ranked = sorted(found, key=lambda each: -abs(each.mean))
    name = said if interface.target.kind == "values" else f"probability of {said}"
    return ColumnImportances(tuple(ranked), name, 1, trained.checkpoint)


def _numbered(width: int) -> Mapping[str, tuple[int, ...]]:
    return {f"feature {place}": (place,) for place in range(width)}


def _picture(features: Array) -> Array:
    """Features as pixels."""
    low, high = float(features.min()), float(features.max())
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    return np.clip((features - low) * 255 / ((high - low) or 1.0), 0, 255).round().astype(np.uint8)
