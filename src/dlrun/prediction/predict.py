"""A run and raw input in, a stream of predictions out; the data that the run was trained on is not needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, overload

import numpy as np
import numpy.typing as npt

from dlrun.errors import UsageError
from dlrun.prediction.columns import Cells, Layout, OutputColumn, Top, layout_of
from dlrun.prediction.frames import as_file, is_frame, like, predictions_table, read_frame
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
    """What `predict` is asked for, as one value.

    Args:
        top: How many of the most probable classes to name; `all`: a column for every class. None: one.
        checkpoint: `final` (what training ended with), `last`, `best`, or a checkpoint's name.
        device: `auto`, `cpu`, `gpu` or `gpu:1`.
        batch_size: Examples in one step; None: the run's evaluation_batch_size.
        reconstructs: Whether an autoencoder's reconstructions are given too.
        overrides: `key=value` each: other keys of the run's spec, of those that predictions depend on.
        trust_plugins: Whether the plugins of a run that was not made here, which are code, may be loaded.
        keep: Columns of a table that go with its predictions, such as an id.
    """

    top: Top | None = None
    checkpoint: str = "final"
    device: str = "auto"
    batch_size: int | None = None
    reconstructs: bool = False
    overrides: tuple[str, ...] = ()
    trust_plugins: bool = False
    keep: tuple[str, ...] = ()

    def all_overrides(self) -> tuple[str, ...]:
        """These options and the overrides, all as overrides: the spec checks them."""
        batch_size = () if self.batch_size is None else (f"training.evaluation_batch_size={self.batch_size}",)
        return (f"training.device={self.device}", *batch_size, *self.overrides)


@dataclass(frozen=True)
class PredictionBatch:
    """The predictions for some examples.

    Args:
        cells: By column.
        reconstructions: `(n, *features.shape)` float32, where they are asked for.
    """

    cells: tuple[Cells, ...]
    reconstructions: npt.NDArray[Any] | None = None

    def __len__(self) -> int:
        """Number of examples."""
        return len(self.cells[0])


@dataclass(frozen=True)
class Predictions:
    """Predictions that are made as they are read.

    Args:
        columns: What each has.
        blocks: One after another, in the order of the input; a DataError on the way ends them.
    """

    columns: tuple[OutputColumn, ...]
    blocks: Iterator[PredictionBatch]


class _Options(TypedDict, total=False):
    """The options of `predict`, once for both of its types."""

    top: Top | None
    keep: str | Sequence[str]
    reconstructs: bool
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


def predict(  # noqa: PLR0913  an option each, by keyword
    run: str | Path,
    source: Any,
    *,
    top: Top | None = None,
    keep: str | Sequence[str] = (),
    reconstructs: bool = False,
    checkpoint: str = "final",
    overrides: str | Sequence[str] = (),
    device: str = "auto",
    batch_size: int | None = None,
    trust_plugins: bool = False,
    runs_dir: str | Path = RUNS_DIR,
    listener: Listener = silent,
) -> Any:
    """Predict with the model of a run, from raw input as the run was trained on.

    Args:
        run: The run: an id, a part of one, a path, `last`, or `best:KEY`.
        source: A file, a folder, a glob, or `-` for standard input; or several of them; or a data frame of pandas or
            polars, or an Arrow table.
        top: How many of the most probable classes to name; `all`: a column for every class. None: one.
        keep: Columns of a table to repeat beside its predictions, such as an id.
        reconstructs: Whether to give an autoencoder's reconstructions, too.
        checkpoint: `final` (what training ended with), `last`, `best`, or a checkpoint's name.
        overrides: `key=value` each: other values for keys of the spec that predictions depend on.
        device: `auto`, `cpu`, `gpu` or `gpu:1`.
        batch_size: Examples in one step; None: the run's `training.evaluation_batch_size`.
        trust_plugins: Whether to load the plugins, which are code, of a run that was not made here.
        runs_dir: The folder to look for runs in.
        listener: Called with every event.

    Returns:
        The columns, and blocks of predictions that are made while they are read, so that memory does not grow with the
        input; `write_predictions` writes them to a file. For a data frame, a frame of the same library with a row for
        each of its rows, in their order, and the index of a pandas frame; for any other table an Arrow table.

    Raises:
        UsageError: There is no such run, checkpoint or device, the options do not fit what the model predicts, or an
            override changes nothing.
        DataError: The input is missing, or is not what the model was trained on.
        CheckpointError: The checkpoint is damaged.
        RunError: The run has not begun to train, or is damaged.
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
    )
    if not is_frame(source):
        return _predict(run, _sources(source), options=options, runs_dir=runs_dir, listener=listener)
    table = read_frame(source)
    with as_file(table, called=f"the {type(source).__name__}") as path:
        made = _predict(run, [str(path)], options=options, runs_dir=runs_dir, listener=listener)
        blocks = [list(block.cells) for block in made.blocks]
    return like(source, predictions_table(list(made.columns), blocks, source=table, keep=options.keep))


def _sources(source: Any) -> list[str]:
    """The files and folders that are named.

    Raises:
        UsageError: It is something else than names.
    """
    sources = [source] if isinstance(source, str | Path) else source
    if not isinstance(sources, list | tuple) or not all(isinstance(each, str | Path) for each in sources):
        raise UsageError(
            f"there is nothing to predict for in a {type(source).__name__}",
            expected="a path, several paths, or a data frame",
            hint="polars: frame.collect() of a lazy one, Series.to_frame(); rows in memory: pandas.DataFrame(rows)",
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
        raise UsageError(f"{device} names several devices", expected="one: predictions are made on a single device")
    refuse_unused(options.overrides, used=USED, purpose="predictions")
    interface = read_interface(folder).read_as(file.spec.dataset)
    layout = layout_of(interface.target, top=options.top)
    if options.reconstructs and interface.target.kind != "input":
        raise UsageError(f"{folder.id} is no autoencoder, it has no reconstructions", expected="a model that has them")
    if options.keep:
        raw: Any = interface.raw.keeping(options.keep)
        interface = replace(interface, raw=raw)
    # What is wrong with the input is told before TensorFlow starts.
    examples = interface.read(sources, tell=lambda said: listener(Note("warning", said)))
    start_tensorflow()
    from dlrun.training.trained import load_trained

    trained = load_trained(folder, file.spec, checkpoint=options.checkpoint, listener=listener, device=device)
    blocks = _blocks(examples, trained.predictor(), layout, options=options, listener=listener)
    return Predictions(_columns(layout, options.keep), blocks)


def _columns(layout: Layout, keep: Sequence[str]) -> tuple[OutputColumn, ...]:
    """What is called how: kept columns keep their names, and predictions make way for them."""
    kept = [OutputColumn(name, is_text=True) for name in keep]
    own = [
        replace(column, name=f"predicted_{column.name}") if column.name in keep else column for column in layout.columns
    ]
    return (*([] if "name" in keep else [OutputColumn("name", is_text=True)]), *kept, *own)


def _blocks(
    examples: Iterator[Examples],
    predictor: Predictor,
    layout: Layout,
    *,
    options: PredictOptions,
    listener: Listener,
) -> Iterator[PredictionBatch]:
    not_finite = blank = count = 0
    for some in examples:
        blank, count = blank + some.blank, count + len(some)
        reconstructions = None
        if options.reconstructs:
            reconstructions, outputs = predictor.reconstruct(some.stored)
        elif predictor.target.kind == "input":
            outputs = predictor.reconstruction_errors(some.stored)
        else:
            needs_float64 = predictor.target.needs_float64
            outputs = predictor.precise(some.stored) if needs_float64 else predictor(some.stored)
        not_finite += int((~np.isfinite(outputs).reshape(len(outputs), -1).all(axis=1)).sum())
        kept = [["" if value is None else value for value in some.kept[name]] for name in options.keep]
        names = [] if "name" in options.keep else [some.names]
        yield PredictionBatch((*names, *kept, *layout.cells(outputs)), reconstructions)
    if blank:
        listener(Note("warning", f"every value to predict from is missing in {blank:,} of {count:,} examples"))
    if not_finite:
        said = f"{not_finite:,} examples have no prediction: what the network gives for them is not finite"
        listener(Note("warning", said))
