"""A run and raw input in, a stream of predictions out; the data that the run was trained on is not needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from dlrun.errors import UsageError
from dlrun.prediction.columns import Cells, Layout, OutputColumn, Top, layout_of
from dlrun.prediction.frames import as_file, is_frame, like, predictions_table, read_frame
from dlrun.runs import RUNS_DIR
from dlrun.runs.interface import read_interface
from dlrun.runs.query.catalog import find_run
from dlrun.spec.stored import USED, read_stored_spec, refuse_unused
from dlrun.system.tensorflow_start import start_tensorflow
from dlrun.training.progress.events import Listener, Note, silent

if TYPE_CHECKING:
    from dlrun.data.raw_input import Examples
    from dlrun.training.predictor import Predictor


@dataclass(frozen=True)
class PredictOptions:
    """How to predict.

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


@overload
def predict(
    run: str | Path,
    source: str | Path | Sequence[str],
    *,
    options: PredictOptions | None = None,
    keep: Sequence[str] = (),
    runs_dir: str | Path = RUNS_DIR,
    listener: Listener = silent,
) -> Predictions: ...


@overload
def predict(
    run: str | Path,
    source: Any,
    *,
    options: PredictOptions | None = None,
    keep: Sequence[str] = (),
    runs_dir: str | Path = RUNS_DIR,
    listener: Listener = silent,
) -> Any: ...


def predict(
    run: str | Path,
    source: Any,
    *,
    options: PredictOptions | None = None,
    keep: Sequence[str] = (),
    runs_dir: str | Path = RUNS_DIR,
    listener: Listener = silent,
) -> Any:
    """Predict what the model of a run says of raw input.

    Args:
        run: As `find_run` takes it.
        source: A file, a folder, a glob, or `-` for standard input, of what the run was trained on; or several of them;
            or a data frame of pandas or polars, or an Arrow table.
        options: How.
        keep: Columns of a table that go with its predictions, such as an id; the same as `PredictOptions.keep`.
        runs_dir: Where runs are looked for.
        listener: Called with every event.

    Returns:
        The columns, and the predictions as they are made, in memory that does not grow with the input. For a data frame
        one of the same library, a row for each of its rows in their order, with the index of a pandas frame; an Arrow
        table for any other.

    Raises:
        UsageError: There is no such run, checkpoint or device, the options do not fit what it predicts, or an override
            changes nothing.
        DataError: The input is missing, or is not what the model was trained on.
        CheckpointError: The checkpoint is damaged.
        RunError: The run has not begun to train, or is damaged.
    """
    options = options or PredictOptions()
    if keep:
        options = replace(options, keep=tuple([keep] if isinstance(keep, str) else keep))
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
    examples: Iterator[Examples], predictor: Predictor, layout: Layout, *, options: PredictOptions, listener: Listener
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
