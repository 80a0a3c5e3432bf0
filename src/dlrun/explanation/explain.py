"""Explain the predictions of a run: by pixels for images, by words for texts, by columns for other data."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dlrun.data.interface import Interface
from dlrun.data.raw_input import Examples
from dlrun.errors import UsageError
from dlrun.explanation.columns import ColumnImportances, columns_of_error, columns_of_many, columns_of_one
from dlrun.explanation.examples import ExampleExplanation, explain_images, explain_texts
from dlrun.explanation.outputs import find_output
from dlrun.explanation.pixels import Method
from dlrun.explanation.rows import ExplainedRows, read_held_out, read_table, training_rows
from dlrun.explanation.words import texts_of
from dlrun.runs import RUNS_DIR
from dlrun.runs.interface import read_interface
from dlrun.runs.query.catalog import find_run
from dlrun.spec.stored import read_stored_spec
from dlrun.system.tensorflow_start import start_tensorflow
from dlrun.training.progress.events import Listener, Note, silent

if TYPE_CHECKING:
    from dlrun.spec.parse import SpecFile
    from dlrun.training.trained import Trained


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
    output = find_output(about, target)
    if source is None and (one_by_one or target.kind == "input"):
        what = f"{folder.id} needs an INPUT to explain, because it does not predict a target from columns"
        raise UsageError(what, expected="a file or a folder of the kind that the run was trained on")
    # Report problems of the input before TensorFlow starts, which takes seconds.
    examples: Iterator[Examples] = iter(())
    if one_by_one:
        examples = interface.read(sources, tell=lambda text: listener(Note("warning", text)))
    rows = None
    if not one_by_one:
        rows = read_table(interface, sources) if source is not None else read_held_out(folder, file, interface)
    start_tensorflow()
    from dlrun.training.trained import load_trained

    trained = load_trained(folder, file.spec, checkpoint=checkpoint, listener=listener)
    if rows is not None:
        return Explanation(_explain_columns(trained, rows, file, output, listener=listener), iter(()))
    if texts:
        several = explain_texts(trained, examples, output)
    else:
        several = explain_images(trained, examples, output, method=method)
    return Explanation(None, itertools.islice(several, limit))


def _explain_columns(
    trained: Trained, rows: ExplainedRows, file: SpecFile, output: int | None, *, listener: Listener
) -> ColumnImportances:
    examples = rows.examples
    if trained.interface.target.kind == "input":
        return columns_of_error(trained, examples, training_rows(file))
    if rows.without:
        instead = "the change of predictions is measured instead of the loss"
        listener(Note("measure", f"the input has no labels ({rows.without}), so {instead}"))
    if len(examples) == 1:
        found = columns_of_one(trained, examples, output, training_rows(file))
    else:
        found = columns_of_many(trained, examples, output, weights=rows.weights)
    return replace(found, split=rows.split)


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
