"""The command `dlrun export RUN --to FORMAT`, and its summary of the exported model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlrun.cli.options import AsJson, Checkpoint, Quiet, Run, RunsDir, TrustPlugins
from dlrun.runs import RUNS_DIR

if TYPE_CHECKING:
    from dlrun.exporting.checking import ExportCheck
    from dlrun.exporting.export import ExportedModel


_To = Annotated[str, typer.Option("--to", help="keras, savedmodel, onnx or tflite.", metavar="FORMAT")]
_Quantize = Annotated[str | None, typer.Option(help="For tflite: float16 or int8.", metavar="TYPE")]
_Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="The file or folder to write. Default: named after the run.")
]
_Data = Annotated[
    str | None, typer.Option(help="Raw input for the check. Default: the run's own data.", metavar="SOURCE")
]
_Force = Annotated[bool, typer.Option("--force", help="Replace an existing file or folder.")]

_SHOWN = 6


def export(
    run: Run,
    to: _To,
    *,
    quantize: _Quantize = None,
    output: _Output = None,
    checkpoint: Checkpoint = "final",
    data: _Data = None,
    force: _Force = False,
    runs_dir: RunsDir = RUNS_DIR,
    trust_plugins: TrustPlugins = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Export the model of a RUN for use without dlrun.

    The exported model takes raw input. It is checked against the original on real examples, and the command prints
    Python code that uses it.
    """
    import dlrun
    from dlrun.cli.display.console import print_json
    from dlrun.cli.display.display import displayed

    with displayed(quiet=quiet or as_json) as display:
        exported = dlrun.export(
            run,
            to,
            quantize=quantize,
            output=output,
            overwrite=force,
            data=data,
            checkpoint=checkpoint,
            trust_plugins=trust_plugins,
            runs_dir=runs_dir,
            listener=display,
        )
        display.close()
        if as_json:
            print_json(exported.plain())
            return
        for line in exported_lines(exported):
            display.console.result(line)


def exported_lines(exported: ExportedModel) -> Iterator[str]:
    """Yield the summary of an export, line by line."""
    measured, description = exported.measured, exported.description
    kind = f", {exported.quantized}" if exported.quantized else ""
    yield f"exported   {exported.path}  ({exported.bytes / 1000:,.1f} kB{kind})"
    inputs = [f"{each.name} {each.dtype} {_shape(each.shape)}" for each in description.inputs]
    more = f" and {len(inputs) - _SHOWN} more" if len(inputs) > _SHOWN else ""
    yield "takes      " + ", ".join(inputs[:_SHOWN]) + more
    renamed = [f"{each.name} is {each.column!r}" for each in description.inputs if each.column != each.name]
    if renamed:
        yield "columns    " + ", ".join(renamed)
    yield "gives      " + ", ".join(f"{name} {_shape(shape)}" for name, shape in description.outputs.items())
    if description.calibration != "none":
        yield f"calibrated {description.calibration}, inside the model"
    if description.thresholds:
        names = description.labels if description.kind == "labels" else description.labels[1:]
        above = ", ".join(f"{name} {value:g}" for name, value in zip(names, description.thresholds, strict=True))
        yield f"thresholds {above}: the model gives probabilities, and description.json has these"
    yield f"labels     {exported.carried}"
    runs = "in one batch, and some one at a time" if measured.together else "one at a time"
    yield f"checked    {measured.examples} examples, {runs}: {exported.sample.origin}"
    yield f"difference {_difference(measured)}"
    library = exported.format.library
    seconds, in_keras = _milliseconds(measured.seconds), _milliseconds(exported.keras_seconds)
    yield f"latency    {seconds} for one example with {library}; {in_keras} with the original in Keras"
    yield ""
    yield from exported.code.splitlines()


def _difference(measured: ExportCheck) -> str:
    largest = f"{measured.largest_difference:.2g} at most"
    if measured.equal_decisions is not None:
        return f"{largest}; {measured.equal_decisions:.1%} of the decisions are the same"
    return f"{largest}, {measured.relative_difference:.2g} of the range (tolerance {measured.limit.difference:g})"


def _shape(shape: tuple[int | None, ...]) -> str:
    return (
        "(" + ", ".join("any" if size is None else str(size) for size in shape) + ("," if len(shape) == 1 else "") + ")"
    )


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms"
