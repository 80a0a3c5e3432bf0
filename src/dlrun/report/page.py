"""What is known of a run and its plots in, one HTML page out that asks nothing of the network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

import numpy.typing as npt

from dlrun.report.content import Content
from dlrun.report.drawing import Drawing, picture
from dlrun.report.findings import Findings, Score
from dlrun.report.markup import Markup, facts, image, joined, table, tag
from dlrun.runs.predictions import Predictions
from dlrun.runs.record import RunRecord
from dlrun.signature import Target

Array = npt.NDArray[Any]


def page(content: Content, findings: Mapping[str, Findings], drawings: Sequence[Drawing]) -> str:
    """The report of one run.

    Args:
        content: What is known.
        findings: What the kept predictions show, by split.
        drawings: In the order in which they are shown.
    """
    record = content.record
    return document(
        record.name,
        (
            tag("h1", record.name),
            tag("p", _what(record), class_="soft"),
            *_headline(record, findings),
            *_section(
                "Learning", [_plots(drawing for drawing in drawings if drawing.name.startswith(("curve", "learning")))]
            ),
            *_section("Predictions", _predictions(content, findings, drawings)),
            *_section("Model", _model(record)),
            *_section("Data", [_data(record)]),
            *_section("Time", _time(record, drawings)),
            *_section(
                "Spec", [tag("details", tag("summary", "spec.yaml, complete"), tag("pre", content.spec), open="")]
            ),
            *_section("How to get it again", _again(record)),
            *_section("Environment", [_environment(record)]),
        ),
    )


def document(title: str, body: Iterable[str]) -> str:
    """A whole page around its content; it may load nothing, whatever stands in it."""
    style = Markup(files("dlrun.report").joinpath("style.css").read_text(encoding="utf-8"))
    head = joined(
        (
            Markup('<meta charset="utf-8">'),
            Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            Markup(
                '<meta http-equiv="Content-Security-Policy" '
                "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">"
            ),
            tag("title", title),
            tag("style", style),
        )
    )
    return "<!doctype html>\n" + tag("html", tag("head", head), tag("body", *body), lang="en") + "\n"


def figures(drawings: Iterable[Drawing]) -> Markup:
    """Plots side by side where there is room."""
    shown = [
        tag(
            "figure",
            image(one.svg.encode(), kind="svg+xml", alt=one.title),
            tag("figcaption", one.title),
            class_="wide" if one.is_wide else "plot",
        )
        for one in drawings
    ]
    return tag("div", *shown, class_="plots") if shown else Markup()


_plots = figures


def _section(title: str, parts: Iterable[str]) -> Iterator[Markup]:
    written = [part for part in parts if part]
    if written:
        yield tag("h2", title)
        yield from (part if isinstance(part, Markup) else tag("p", part) for part in written)


def _what(record: RunRecord) -> str:
    parts = [f"run {record.id}", record.status]
    if record.model:
        counted = f" of {record.model.parameters:,} parameters" if record.model.parameters is not None else ""
        parts.append(f"{record.model.type}{counted}")
    if record.dataset:
        parts.append("trained on " + record.dataset.name)
    if record.started:
        parts.append(f"started {record.started[:16].replace('T', ' ')}")
    return ", ".join(parts) + (f". {record.reason}" if record.reason else "")


def _headline(record: RunRecord, findings: Mapping[str, Findings]) -> Iterator[Markup]:
    for split in ("test", "validation", "train"):
        scores = record.result.get(split)
        if not scores:
            continue
        yield tag("h3", split)
        boxes = [_box(name, number(value)) for name, value in scores.items() if value is not None]
        yield tag("div", *boxes, class_="scores")
        found = findings.get(split)
        if found is not None and found.scores:
            yield _intervals(found.scores, found)


def _box(name: str, value: str) -> Markup:
    return tag("div", tag("b", value), tag("span", name), class_="score")


def _intervals(scores: Sequence[Score], found: Findings) -> Markup:
    rows = [(score.name, number(score.value), f"{number(score.low)} to {number(score.high)}") for score in scores]
    sample = f"of {found.count:,} examples" + (
        f", a sample of {found.examples:,}" if found.count < found.examples else ""
    )
    said = f"95 % intervals by the bootstrap {sample}."
    return joined((table(("score", "value", "95 % interval"), rows), tag("p", said, class_="soft")))


def number(value: float) -> str:
    """Four significant digits."""
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"  # noqa: PLR2004


def _predictions(content: Content, findings: Mapping[str, Findings], drawings: Sequence[Drawing]) -> Iterator[Markup]:
    not_here = ("curve", "learning", "time")
    yield _plots(drawing for drawing in drawings if not drawing.name.startswith(not_here))
    if not content.predictions or content.interface is None:
        return
    split, predictions = next(iter(content.predictions.items()))
    found, target = findings[split], content.interface.target
    if found.rows:
        yield tag("h3", f"By {found.header[0]}, {split} split")
        yield table(found.header, found.rows)
    if len(predictions.shown):
        mistakes = "The most certain mistakes"
        titles = {"classes": mistakes, "class_columns": mistakes, "input": "From the best to the worst"}
        yield tag("h3", titles.get(target.kind, "The largest errors") + f", {split} split")
        yield tag(
            "div", *(_example(index, predictions, target) for index in range(len(predictions.shown))), class_="gallery"
        )


def _example(index: int, predictions: Predictions, target: Target) -> Markup:
    place = int(predictions.shown[index])
    parts: list[Markup] = []
    shown = [predictions.pictures, predictions.reconstructions]
    pictures = [array[index] for array in shown if array.dtype == "uint8" and len(array) > index]
    parts += [image(picture(pixels), kind="png", alt="example") for pixels in pictures]
    said = _said(place, predictions, target)
    if len(predictions.texts) > index and str(predictions.texts[index]):
        said = f"{said}: {predictions.texts[index]}"
    return tag("div", tag("div", *parts, class_="pair"), tag("div", said, class_="soft"))


def _said(place: int, predictions: Predictions, target: Target) -> str:
    """What was predicted for an example, and what it is."""
    row = f"example {int(predictions.rows[place])}"
    if target.kind == "input":
        return f"{row}, error {number(float(predictions.outputs[place]))}"
    outputs = predictions.outputs[place]
    if target.kind == "classes":
        guess, true = int(outputs.argmax()), int(predictions.target[place])
        return f"{row}, {class_name(target, guess)} ({outputs[guess]:.0%}), is {class_name(target, true)}"
    if target.kind == "class_columns":
        return f"{row}, " + "; ".join(_said_of_columns(outputs, predictions.target[place], target))
    truth = predictions.target[place].reshape(-1)
    pairs = [f"{number(float(found))}, is {number(float(true))}" for found, true in zip(outputs, truth, strict=True)]
    return f"{row}, " + "; ".join(pairs[:4])


def _said_of_columns(outputs: Array, truth: Array, target: Target) -> Iterator[str]:
    for part, true in zip(target.parts, truth.astype(int), strict=True):
        own = outputs[part.places]
        guess = int(own.argmax())
        wrong = f", is {class_name(part.target, true)}" if guess != true else ""
        yield f"{part.name}: {class_name(part.target, guess)} ({own[guess]:.0%}){wrong}"


def class_name(target: Target, index: int) -> str:
    """The name of a class, or its number."""
    return target.class_names[index] if index < len(target.class_names) else str(index)


def _model(record: RunRecord) -> Iterator[Markup]:
    if record.model is None:
        return
    layers = record.model.layers
    if layers:
        rows = [
            (layer.name, layer.type, " x ".join(map(str, layer.output_shape)), f"{layer.parameters:,}")
            for layer in layers
        ]
        yield table(("layer", "type", "output", "parameters"), rows)
    chosen = {
        "device": record.device,
        "precision": record.precision,
        "XLA": record.jit,
        "parts of a batch": record.cpu_shares,
    }
    yield facts((name, f"{choice.value}: {choice.reason}") for name, choice in chosen.items() if choice)


def _data(record: RunRecord) -> Markup:
    if record.dataset is None:
        return Markup()
    counts = ", ".join(f"{count:,} {split}" for split, count in record.dataset.examples.items())
    return facts((("dataset", record.dataset.name), ("examples", counts), ("fingerprint", record.dataset.fingerprint)))


def _time(record: RunRecord, drawings: Sequence[Drawing]) -> Iterator[Markup]:
    yield _plots(drawing for drawing in drawings if drawing.name == "time")
    rate = f"{record.throughput:,.0f} examples/s in training" if record.throughput else ""
    best = record.best
    reached = f"{best.metric} {number(best.value)} in epoch {best.epoch}" if best and best.value is not None else ""
    trained = f"{record.seconds:,.1f} s" if record.seconds is not None else ""
    yield facts((("throughput", rate), ("trained", trained), ("best", reached), ("resumed", str(record.resumed or ""))))


def _again(record: RunRecord) -> Iterator[Markup]:
    yield tag("pre", f"dlrun reproduce {record.id}    # train it again, and compare to the bit\ndlrun eval {record.id}")
    git = record.git or {}
    commit = str(git.get("commit") or "")
    changed = " with uncommitted changes (git.diff in the run folder)" if git.get("dirty") else ""
    yield facts(
        (
            ("command", " ".join(record.command)),
            ("commit", commit + changed if commit else ""),
            ("spec", f"sha256 {record.spec_sha256}" if record.spec_sha256 else ""),
            ("weights", f"sha256 {record.weights_sha256}" if record.weights_sha256 else ""),
        )
    )


def _environment(record: RunRecord) -> Markup:
    pairs = {**record.versions, **record.machine, **record.environment}
    return facts((str(key), str(value)) for key, value in pairs.items())
