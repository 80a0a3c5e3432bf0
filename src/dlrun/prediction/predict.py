"""Predict with the model of a run from raw input. The training data is not needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, overload

import numpy as np
import numpy.typing as npt

from dlrun.data.images.input import ImageInput
from dlrun.errors import UsageError
from dlrun.prediction.columns import Cells, Layout, OutputColumn, Top, layout_of
from dlrun.prediction.frames import as_file, is_frame, like, predictions_table, read_frame
from dlrun.prediction.masks import MaskPredictor, PredictedMask
from dlrun.prediction.values import PredictionInterval, extended_values, find_interval, with_extra_columns
from dlrun.runs import RUNS_DIR
from dlrun.runs.interface import read_interface
from dlrun.runs.query.catalog import find_run
from dlrun.spec.parse import override_list
from dlrun.spec.stored import USED, read_stored_spec, refuse_unused
from dlrun.system.tensorflow_start import start_tensorflow
from dlrun.training.progress.events import Listener, Note, silent

if TYPE_CHECKING:
    from dlrun.data.raw_input import Examples
    from dlrun.training.predictor import Predictor


@dataclass(frozen=True)
class PredictOptions:
    """The options of `predict` as one value.

    Args:
        top: Number of most probable classes to name, or `all` for a column for each class. None for one.
        checkpoint: `final` (the result of the training), `last`, `best`, or the name of a checkpoint.
        device: `auto`, `cpu`, `gpu` or `gpu:1`.
        batch_size: Number of examples in a step; None for evaluation_batch_size of the run.
        reconstructs: Whether to return the reconstructions of an autoencoder too.
        overrides: Overrides of the form `key=value` for keys that affect predictions.
        trust_plugins: Whether to load the plugins, which are code, of a run that was made elsewhere.
        keep: Columns of a table to copy to the predictions, such as an id.
        intervals: Probability of the interval to add to each number; None for no interval.
        masks: Whether to return the mask of each image too.
    """

    top: Top | None = None
    checkpoint: str = "final"
    device: str = "auto"
    batch_size: int | None = None
    reconstructs: bool = False
    overrides: tuple[str, ...] = ()
    trust_plugins: bool = False
    keep: tuple[str, ...] = ()
    intervals: float | None = None
    masks: bool = False

    def all_overrides(self) -> tuple[str, ...]:
        """Return all options as overrides, so that the spec validates them."""
        batch_size = () if self.batch_size is None else (f"training.evaluation_batch_size={self.batch_size}",)
        return (f"training.device={self.device}", *batch_size, *self.overrides)


@dataclass(frozen=True)
class PredictionBatch:
    """Predictions for some examples.

    Args:
        cells: Cells of each column.
        reconstructions: Reconstructions `(n, *features.shape)`, float32, if requested.
        masks: Mask of each image, if requested; None for an image without a prediction.
    """

    cells: tuple[Cells, ...]
    reconstructions: npt.NDArray[Any] | None = None
    masks: tuple[PredictedMask | None, ...] = ()

    def __len__(self) -> int:
        """Number of examples."""
        return len(self.cells[0])


@dataclass(frozen=True)
class Predictions:
    """Predictions that are computed while they are read.

    Args:
        columns: Columns of each prediction.
        blocks: Blocks in the order of the input. Reading them may raise a DataError.
        mask_files: Paths of the files for all masks, relative to the folder for them, if masks were requested.
    """

    columns: tuple[OutputColumn, ...]
    blocks: Iterator[PredictionBatch]
    mask_files: tuple[str, ...] = ()


class _Options(TypedDict, total=False):
    """The options of `predict`, shared by its two overloads."""

    top: Top | None
    keep: str | Sequence[str]
    intervals: float | None
    reconstructs: bool
    masks: bool
    checkpoint: str
    overrides: str | Sequence[str]
    device: str
    batch_size: int | None
    trust_plugins: bool
    runs_dir: str | Path
    listener: Listener


@overload
def predict(run: str | Path, source: str | Path | Sequence[str | Path], **options: Unpack[_Options]) -> Predictions: ...


@overload
def predict(run: str | Path, source: Any, **options: Unpack[_Options]) -> Any: ...


def predict(  # noqa: PLR0913  each argument is an option of the command
    run: str | Path,
    source: Any,
    *,
    top: Top | None = None,
    keep: str | Sequence[str] = (),
    intervals: float | None = None,
    reconstructs: bool = False,
    masks: bool = False,
    checkpoint: str = "final",
    overrides: str | Sequence[str] = (),
    device: str = "auto",
    batch_size: int | None = None,
    trust_plugins: bool = False,
    runs_dir: str | Path = RUNS_DIR,
    listener: Listener = silent,
) -> Any:
    """Predict with the model of a run from raw input of the kind that it was trained on.

    Args:
        run: Id of the run, a part of it, a path, `last`, or `best:KEY`.
        source: A file, a folder, a pattern, or `-` for standard input; or several of them; or a data frame of pandas or
            polars, or an Arrow table.
        top: Number of most probable classes to name, or `all` for a column for each class. None for one.
        keep: Columns of a table to copy to the predictions, such as an id.
        intervals: Probability that the truth is between the two bounds to add to each number, such as 0.9; None for no
            bounds. They are conformal: measured on the validation split of the run.
        reconstructs: Whether to return the reconstructions of an autoencoder too.
        masks: Whether to return the mask of each image too, if the model predicts masks. Otherwise there are only the
            shares of pixels of each class.
        checkpoint: `final` (the result of the training), `last`, `best`, or the name of a checkpoint.
        overrides: Overrides of the form `key=value` for keys that affect predictions.
        device: `auto`, `cpu`, `gpu` or `gpu:1`.
        batch_size: Number of examples in a step; None for `training.evaluation_batch_size` of the run.
        trust_plugins: Whether to load the plugins, which are code, of a run that was made elsewhere.
        runs_dir: Folder of the runs.
        listener: Function that receives every event.

    Returns:
        The columns and a stream of blocks, which needs constant memory; `write_predictions` writes them to a file. For
        a data frame, a data frame of the same library with the rows in the same order and the same pandas index, or an
        Arrow table for other libraries.

    Raises:
        UsageError: The run, checkpoint or device does not exist, the options do not fit the target, or an override has
            no effect.
        DataError: The input is missing, or does not match the training data.
        CheckpointError: The checkpoint is damaged.
        RunError: The run has no trained model, or is damaged.
    """
    options = PredictOptions(
        top=top,
        checkpoint=checkpoint,
        device=device,
        batch_size=batch_size,
        reconstructs=reconstructs,
        overrides=override_list(overrides),
        trust_plugins=trust_plugins,
        keep=tuple([keep] if isinstance(keep, str) else keep),
        intervals=intervals,
        masks=masks,
    )
    if not is_frame(source):
        return _predict(run, _sources(source), options=options, runs_dir=runs_dir, listener=listener)
    if masks:
        what = "the predictions for a data frame are a data frame, which has no place for masks"
        raise UsageError(what, expected="files as the source", hint="a list of the paths, or a CSV file with them")
    table = read_frame(source)
    with as_file(table, called=f"the {type(source).__name__}") as path:
        made = _predict(run, [str(path)], options=options, runs_dir=runs_dir, listener=listener)
        # The rows are read while the blocks are, so all of this happens before the file is removed.
        blocks = [list(block.cells) for block in made.blocks]
    return like(source, predictions_table(list(made.columns), blocks, source=table, keep=options.keep))


def _sources(source: Any) -> list[str]:
    """Return the given files and folders as text.

    Raises:
        UsageError: The source is neither a path nor a list of paths.
    """
    sources = [source] if isinstance(source, str | Path) else source
    if not isinstance(sources, list | tuple) or not all(isinstance(each, str | Path) for each in sources):
        raise UsageError(
            f"cannot predict for a {type(source).__name__}",
            expected="a path, several paths, or a data frame",
            hint="polars: LazyFrame.collect() or Series.to_frame(); rows in memory: pandas.DataFrame(rows)",
        )
    return [str(each) for each in sources]


def _predict(
    run: str | Path, sources: Sequence[str], *, options: PredictOptions, runs_dir: str | Path, listener: Listener
) -> Predictions:
    folder = find_run(str(run), runs_dir=Path(runs_dir), is_trained=True)
    overrides = options.all_overrides()
    file = read_stored_spec(folder, overrides, trust_plugins=options.trust_plugins, looks_at_data=False)
    device = file.spec.training.device
    if "," in device:
        raise UsageError(f"{device} is several devices", expected="a single device for predictions")
    refuse_unused(options.overrides, used=USED, purpose="predictions")
    interface = read_interface(folder).read_as(file.spec.dataset)
    interval = find_interval(folder, interface.target, options.intervals)
    layout = layout_of(with_extra_columns(interface.target, interval), top=options.top)
    if options.reconstructs and interface.target.kind != "input":
        raise UsageError(
            f"{folder.id} is not an autoencoder and has no reconstructions", expected="a run of an autoencoder"
        )
    if options.masks and interface.target.kind != "mask":
        expected = "a run of images with masks, such as of a unet"
        raise UsageError(f"{folder.id} does not predict masks", expected=expected)
    if options.keep:
        raw: Any = interface.raw.keeping(options.keep)
        interface = replace(interface, raw=raw)
    mask_files: list[str] = []
    if options.masks and isinstance(interface.raw, ImageInput):
        interface = replace(interface, raw=replace(interface.raw, naming=mask_files.extend))
    # Report problems of the input before TensorFlow starts, which takes seconds.
    examples = interface.read(sources, tell=lambda text: listener(Note("warning", text)))
    start_tensorflow()
    from dlrun.training.trained import load_trained

    trained = load_trained(folder, file.spec, checkpoint=options.checkpoint, listener=listener, device=device)
    if interval is not None:
        interval.check_checkpoint(trained.checkpoint, folder)
    predictor = trained.predictor()
    of_masks = MaskPredictor(predictor, interface) if interface.target.kind == "mask" else None
    predicted = _Outputs(predictor, interval, of_masks)
    blocks = _blocks(examples, predicted, layout, options=options, listener=listener)
    return Predictions(_columns(layout, options.keep), blocks, tuple(mask_files))


@dataclass(frozen=True)
class _Outputs:
    """The numbers that the cells of predictions are made of.

    Args:
        predictor: The predictor of the model.
        interval: The interval to add to each value; None for none.
        masks: The predictor of masks; None if the model predicts none.
    """

    predictor: Predictor
    interval: PredictionInterval | None
    masks: MaskPredictor | None

    def __call__(self, stored: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the numbers for stored examples."""
        target = self.predictor.target
        if target.kind == "input":
            return self.predictor.reconstruction_errors(stored)
        if self.interval is not None or len(target.levels) > 1:
            return extended_values(self.predictor, stored, self.interval)
        return self.predictor.precise(stored) if target.needs_float64 else self.predictor(stored)


def _columns(layout: Layout, keep: Sequence[str]) -> tuple[OutputColumn, ...]:
    """Return the output columns. A prediction with the name of a kept column gets a prefix."""
    kept = [OutputColumn(name, is_text=True) for name in keep]
    own = [
        replace(column, name=f"predicted_{column.name}") if column.name in keep else column for column in layout.columns
    ]
    return (*([] if "name" in keep else [OutputColumn("name", is_text=True)]), *kept, *own)


def _blocks(
    examples: Iterator[Examples],
    predicted: _Outputs,
    layout: Layout,
    *,
    options: PredictOptions,
    listener: Listener,
) -> Iterator[PredictionBatch]:
    not_finite = blank = count = 0
    for some in examples:
        blank, count = blank + some.blank, count + len(some)
        reconstructions, masks = None, ()  # type: Any, tuple[PredictedMask | None, ...]
        if predicted.masks is not None:
            masks, outputs = predicted.masks(some)
        elif options.reconstructs:
            reconstructions, outputs = predicted.predictor.reconstruct(some.stored)
        else:
            outputs = predicted(some.stored)
        not_finite += int((~np.isfinite(outputs).reshape(len(outputs), -1).all(axis=1)).sum())
        kept = [["" if value is None else value for value in some.kept[name]] for name in options.keep]
        names = [] if "name" in options.keep else [some.names]
        yield PredictionBatch((*names, *kept, *layout.cells(outputs)), reconstructions, masks if options.masks else ())
    if blank:
        listener(Note("warning", f"every value to predict from is missing in {blank:,} of {count:,} examples"))
    if not_finite:
        what = f"{not_finite:,} examples have no prediction, because the output of the network is not finite"
        listener(Note("warning", what))
