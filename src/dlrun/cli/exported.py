"""An exported model in, the lines that tell what it is, how near it comes, and how it is run, out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlrun.export.checking import Measured
    from dlrun.export.exporting import Exported

_SHOWN = 6


def exported_lines(exported: Exported) -> Iterator[str]:
    """What is printed of an export."""
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
    yield f"labels     {exported.carried}"
    runs = "in one batch, and some one at a time" if measured.together else "one at a time"
    yield f"checked    {measured.examples} examples, {runs}: {exported.sample.origin}"
    yield f"difference {_difference(measured)}"
    library = exported.format.library
    seconds, in_keras = _milliseconds(measured.seconds), _milliseconds(exported.keras_seconds)
    yield f"latency    {seconds} for one example with {library}; the same model in Keras {in_keras}"
    yield ""
    yield from exported.code.splitlines()


def _difference(measured: Measured) -> str:
    said = f"{measured.largest_difference:.2g} at most"
    if measured.equal_decisions is not None:
        return f"{said}; {measured.equal_decisions:.1%} of the decisions are the same"
    return f"{said}, {measured.relative_difference:.2g} of the range (tolerance {measured.limit.difference:g})"


def _shape(shape: tuple[int | None, ...]) -> str:
    return (
        "(" + ", ".join("any" if size is None else str(size) for size in shape) + ("," if len(shape) == 1 else "") + ")"
    )


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms"
