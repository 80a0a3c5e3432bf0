"""Export the model of a run: write it, check it against dlrun on real examples, then move it into place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlrun.data.columns import NumericColumn
from dlrun.errors import DataError, RunError, UsageError
from dlrun.exporting.checking import ExportCheck, check
from dlrun.exporting.description import ModelDescription
from dlrun.exporting.examples import Sample, generated_sample, own_sample, read_sample
from dlrun.exporting.export_model import QUANTILES
from dlrun.exporting.formats import Format, Quantize, find_format
from dlrun.exporting.harness import median_seconds
from dlrun.exporting.place import Destination
from dlrun.exporting.snippet import example_code, loading_code
from dlrun.runs import RUNS_DIR
from dlrun.runs.folder import RunFolder
from dlrun.runs.interface import read_interface
from dlrun.runs.provenance.trust import is_own
from dlrun.runs.query.catalog import find_run
from dlrun.spec.parse import SpecFile
from dlrun.spec.stored import read_stored_spec
from dlrun.system.tensorflow_start import start_tensorflow
from dlrun.training.progress.events import Listener, Note, silent

if TYPE_CHECKING:
    from dlrun.data.interface import Interface
    from dlrun.signature import Target
    from dlrun.training.trained import Trained


_SLOW_FORMATS = ("keras", "savedmodel")
_MANY_INPUTS = 500
"""The number of inputs from which an export to one of these formats takes seconds; the others take all in one array."""


@dataclass(frozen=True)
class ExportOptions:
    """The options of an `export` is asked for, as one value.

    Args:
        quantize: `float16` or `int8`, for TensorFlow Lite; None for float32.
        output: The file or folder to write; None to name it after the run, in the current directory.
        checkpoint: `final` (what training ended with), `last`, `best`, or a checkpoint's name.
        data: Raw input to check the export with; None for the data that the run was trained on.
        replaces: Whether to replace an existing file.
        trust_plugins: Whether to load the plugins, which are code, of a run that was made elsewhere.
    """

    quantize: str | None = None
    output: Path | None = None
    checkpoint: str = "final"
    data: str | None = None
    replaces: bool = False
    trust_plugins: bool = False


@dataclass(frozen=True)
class ExportedModel:
    """An exported model.

    Args:
        path: The path of the file or folder.
        checkpoint: The name of the exported checkpoint.
        format: Its format.
        quantize: As in the options.
        quantized: A description of what was quantized; empty if nothing was.
        bytes: Its size.
        description: Its inputs and outputs.
        carried: Where in the file the labels and the description are.
        sample: The examples of the check.
        measured: The results of the check.
        keras_seconds: The median time of one example in Keras, in this process.
        code: Python code that loads it and predicts one example.
    """

    path: Path
    checkpoint: str
    format: Format
    quantize: Quantize | None
    quantized: str
    bytes: int
    description: ModelDescription
    carried: str
    sample: Sample
    measured: ExportCheck
    keras_seconds: float
    code: str

    def plain(self) -> dict[str, Any]:
        """Return the result as plain JSON values."""
        measured = self.measured
        return {
            "path": str(self.path),
            "checkpoint": self.checkpoint,
            "format": self.format.name,
            "quantize": self.quantize,
            "quantized": self.quantized,
            "bytes": self.bytes,
            **self.description.plain(),
            "labels_in": self.carried,
            "check": {
                "examples": measured.examples,
                "origin": self.sample.origin,
                "generated": self.sample.is_generated,
                "in_one_batch_too": measured.together,
                "largest_difference": measured.largest_difference,
                "relative_difference": measured.relative_difference,
                "tolerance": measured.limit.difference,
                "equal_decisions": measured.equal_decisions,
            },
            "seconds": measured.seconds,
            "keras_seconds": self.keras_seconds,
            "code": self.code,
        }


def export(  # noqa: PLR0913  an option each, by keyword
    run: str | Path,
    to: str,
    *,
    quantize: str | None = None,
    output: str | Path | None = None,
    overwrite: bool = False,
    data: str | Path | None = None,
    checkpoint: str = "final",
    trust_plugins: bool = False,
    runs_dir: str | Path = RUNS_DIR,
    listener: Listener = silent,
) -> ExportedModel:
    """Export the model of a run, so that it takes raw input and runs without dlrun, and check that it does.

    Args:
        run: The run: an id, a part of one, a path, `last`, or `best:KEY`.
        to: `keras`, `savedmodel`, `onnx` or `tflite`.
        quantize: `float16` or `int8`, for TensorFlow Lite; None for float32.
        output: The file or folder to write; None to name it after the run, in the current directory.
        overwrite: Whether to replace an existing export.
        data: Raw input to check the export with; None for the data that the run was trained on.
        checkpoint: `final` (what training ended with), `last`, `best`, or a checkpoint's name.
        trust_plugins: Whether to load the plugins, which are code, of a run that was made elsewhere.
        runs_dir: The folder for runs.
        listener: Receives every event.

    Returns:
        The exported model, with the results of the check.

    Raises:
        UsageError: There is no such run, format or checkpoint, a package is missing, or the file exists already.
        DataError: The examples for the check do not fit the model.
        RunError: The format cannot represent the model, or the exported model predicts something else. No file is left
            in that case.
    """
    options = ExportOptions(
        quantize,
        None if output is None else Path(output),
        checkpoint,
        None if data is None else str(data),
        replaces=overwrite,
        trust_plugins=trust_plugins,
    )
    format_ = find_format(to, options.quantize)
    folder = find_run(str(run), runs_dir=Path(runs_dir), is_trained=True)
    file = read_stored_spec(folder, trust_plugins=options.trust_plugins, looks_at_data=False)
    place = Destination.of(
        options.output or Path(file.spec.name + (format_.suffix or f"_{format_.name}")),
        format_,
        replaces=options.replaces,
    )
    interface = read_interface(folder).read_as(file.spec.dataset)
    _refuse_beyond_float64(interface)
    # Report problems of this file before TensorFlow starts, which takes seconds.
    sample = read_sample(interface, options.data) if options.data is not None else None
    start_tensorflow()
    from dlrun.training.devices.device import can_hide_gpus
    from dlrun.training.trained import load_trained

    device = "cpu" if can_hide_gpus() else "auto"  # a notebook may have trained on a GPU
    trained = load_trained(folder, file.spec, checkpoint=options.checkpoint, listener=listener, device=device)
    if sample is None:
        sample = _own_sample(folder, file, interface, listener)
    return _export(trained, place, options, sample=sample, listener=listener)


def _refuse_beyond_float64(interface: Interface) -> None:
    """Check that no numeric column has numbers that differ by less than float64, the widest input dtype, can show.

    Raises:
        RunError: There are such columns; the error names them.
    """
    columns = getattr(interface.raw, "columns", ())
    names = [column.name for column in columns if isinstance(column, NumericColumn) and not column.fits_float64]
    if names:
        raise RunError(
            f"the numbers of {', '.join(names)} are too large for float64 to distinguish, the widest dtype that an "
            "exported model takes",
            expected="numbers below 2^53, or with larger differences",
            hint=f"train without them (ignore: [{', '.join(names)}]), or use them as categories (categorical)",
        )


def _own_sample(folder: RunFolder, file: SpecFile, interface: Interface, listener: Listener) -> Sample | None:
    """Return examples from the run's own data; None, with a warning, if that is not possible."""
    if not is_own(folder):
        why = "the run was made elsewhere, so its data paths are not used"
    else:
        try:
            found = own_sample(interface, file.spec)
        except DataError as error:
            found, why = None, error.what
        else:
            why = "the files that the run was trained on are unknown"
        if found is not None:
            return found
    listener(Note("warning", f"no real examples to check with: {why}; provide some with --data FILE"))
    return None


def _export(
    trained: Trained, place: Destination, options: ExportOptions, *, sample: Sample | None, listener: Listener
) -> ExportedModel:
    from dlrun.exporting.export_model import plain_model
    from dlrun.exporting.writing import write

    quantize: Any = options.quantize
    if sample is None and quantize == "int8":
        raise UsageError("int8 needs real examples to measure the ranges of values", hint="--data FILE")
    if message := rounding(trained.interface.target):
        listener(Note("warning", message))
    inputs = len(trained.interface.raw.columns_of_stored())
    if message := slow_inputs(place.format, inputs):
        listener(Note("export", message))
    model = plain_model(trained)
    sample = sample or generated_sample(model, trained.interface)
    # The check belongs inside: an error in the block leaves the final path as it was.
    with place.staged() as staged:
        written = write(model, staged, place.format, run=trained.folder.id, sample=sample, quantize=quantize)
        listener(Note("check", f"{len(sample)} examples, {sample.origin}"))
        measured = check(
            staged,
            place.format,
            written.examples,
            expected=_expected(trained, sample, written.description),
            target=trained.interface.target,
            limit=written.limit,
        )
        if not measured.passed:
            raise _too_far(measured, place, sample)
    # The check ran this code with the temporary path; users get it with the final one.
    loading = loading_code(place.format.name, place.path)
    has_steps = trained.interface.raw.has_steps
    example = example_code(place.format.name, written.description, written.examples[0], has_steps=has_steps)
    return ExportedModel(
        path=place.path,
        checkpoint=trained.checkpoint,
        format=place.format,
        quantize=quantize,
        quantized=written.quantized,
        bytes=place.size(),
        description=written.description,
        carried=written.carried,
        sample=sample,
        measured=measured,
        keras_seconds=median_seconds(written.in_keras, list(sample.inputs)),
        code=loading + "\n" + example,
    )


def slow_inputs(format_: Format, inputs: int) -> str:
    """Return a note if an export takes long because its model has many inputs.

    Args:
        format_: The format to export to.
        inputs: The number of inputs.

    Returns:
        The note; empty if the export takes no longer than usual.
    """
    if inputs < _MANY_INPUTS or format_.name not in _SLOW_FORMATS:
        return ""
    return f"{inputs:,} columns become {inputs:,} inputs of the model, which takes a while; onnx and tflite are faster"


def rounding(target: Target) -> str:
    """Return a warning if float32, the dtype of exported predictions, rounds values whose mean is far from 0.

    Args:
        target: What the model predicts.

    Returns:
        The warning; empty if float32 has enough digits.
    """
    if not target.needs_float64:
        return ""
    steps = ", ".join(
        f"{name} has steps of {np.spacing(np.float32(abs(mean))):g}, and its standard deviation is {scale:g}"
        for name, mean, scale in zip(target.output_names, target.mean, target.scale, strict=True)
    )
    return f"an exported model returns float32, which rounds these values: {steps}; dlrun predict gives all digits"


def _expected(trained: Trained, sample: Sample, description: ModelDescription) -> dict[str, Any]:
    """Return dlrun's own predictions by the names of the exported model's outputs."""
    predictor = trained.predictor()
    if QUANTILES in description.outputs:
        quantiles = predictor.in_own_unit(predictor.learned(sample.stored)).astype(np.float32)
        found = {"values": quantiles[:, predictor.target.main_level], QUANTILES: quantiles}
        return {name: found[name] for name in description.outputs}
    if "error" not in description.outputs:
        return {next(iter(description.outputs)): predictor(sample.stored)}
    return dict(zip(description.outputs, predictor.reconstruct(sample.stored), strict=True))


def _too_far(measured: ExportCheck, place: Destination, sample: Sample) -> RunError:
    message = f"{measured.relative_difference:.2g} of the range of its predictions"
    expected = f"at most {measured.limit.difference:g}"
    if measured.equal_decisions is not None:
        message = f"{measured.equal_decisions:.1%} of the decisions are the same, and the difference is {message}"
        expected = f"{measured.limit.equal_decisions:.0%} of the decisions, or {expected}"
    return RunError(
        f"the predictions of the exported model differ from dlrun's, so {place.path} is not written: {message}, "
        f"largest for example {measured.example} of {sample.origin}",
        expected=expected,
        hint="" if place.format.name != "tflite" else "export without --quantize, or with --quantize float16",
    )
