"""The HTML page of a report, which loads nothing from the network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dlrun.report.content import Content
from dlrun.report.decision import decision_section
from dlrun.report.drawing import Drawing, figures
from dlrun.report.examples.examples import examples
from dlrun.report.findings import Findings
from dlrun.report.headline import headline
from dlrun.report.markup import Markup, document, facts, fold, join, number, section, table, tag
from dlrun.report.plots import MOST_CURVES, curve_names
from dlrun.report.slices import slice_section
from dlrun.runs.record import RunRecord

_OF_COLUMNS = ("importances", "dependence")
"""The beginnings of the names of plots about columns."""


def page(content: Content, findings: Mapping[str, Findings], drawings: Sequence[Drawing]) -> str:
    """Return the report of a run as an HTML page.

    Args:
        content: Content of the report.
        findings: Results from the stored predictions, by split.
        drawings: Plots in the order of the page.
    """
    record = content.record
    return document(
        record.name,
        (
            tag("h1", record.name),
            tag("p", _what(record), class_="soft"),
            *headline(content, findings),
            *section("Members", _members(record)),
            *section("Slices", slice_section(content.record, drawings)),
            *section(
                "Learning",
                [
                    figures(drawing for drawing in drawings if drawing.name.startswith(("curve", "learning"))),
                    _left_out(content),
                ],
            ),
            *section("Decision", decision_section(record)),
            *section("Predictions", _predictions(content, findings, drawings)),
            *section("Columns", _columns(content, drawings)),
            *section("Model", _model(record)),
            *section("Data", [_data(record)]),
            *section("Time", _time(record, drawings)),
            *section("Reproduce this run", _again(record)),
            *section("Spec", [fold("spec.yaml, also in the run folder", tag("pre", content.spec))]),
            *section("Environment", [fold("versions and machine, also in run.json", _environment(record))]),
        ),
    )


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


def _members(record: RunRecord) -> Iterator[Markup]:
    """Yield the runs that an ensemble was joined from, with the scores of each on its own validation split."""
    if record.ensemble is None:
        return
    members = record.ensemble.members
    scores = list(dict.fromkeys(name for member in members for name in member.validation))
    rows = [
        (member.id, f"{member.weight:.3g}", *(number(member.validation.get(name)) for name in scores))
        for member in members
    ]
    yield table(("run", "weight", *(f"validation {name}" for name in scores)), rows, is_stacked=True)
    # The list of members is the table above.
    told = [note for note in record.ensemble.notes if not note.startswith("members: ")]
    yield tag("p", "Each member was scored on its own validation split.", class_="soft")
    yield from (tag("p", f"{note[:1].upper()}{note[1:]}.", class_="soft") for note in told)


def _predictions(content: Content, findings: Mapping[str, Findings], drawings: Sequence[Drawing]) -> Iterator[Markup]:
    not_here = ("curve", "learning", "time", "slices", *_OF_COLUMNS)
    yield figures(drawing for drawing in drawings if not drawing.name.startswith(not_here))
    if not content.predictions or content.interface is None:
        return
    split, predictions = next(iter(content.predictions.items()))
    found, target = findings[split], content.interface.target
    yield _intervals(content.record)
    if found.rows:
        yield tag("h3", f"By {found.header[0]}, {split} split")
        yield table(found.header, found.rows)
    if len(predictions.shown):
        mistakes = "The most certain mistakes"
        titles = {"classes": mistakes, "class_columns": mistakes, "input": "From best to worst"}
        titles["mask"] = "The lowest mean IoU"
        yield tag("h3", titles.get(target.kind, "The largest errors") + f", {split} split")
        yield examples(predictions, target)


def _columns(content: Content, drawings: Sequence[Drawing]) -> Iterator[Markup]:
    """Yield what the predictions depend on: the importance of columns, and the mean prediction by their values."""
    yield figures(drawing for drawing in drawings if drawing.name.startswith(_OF_COLUMNS))
    if not content.predictions:
        return
    split, predictions = next(iter(content.predictions.items()))
    if not len(predictions.measured):
        return
    examples, turns = predictions.measured.tolist()
    text = (
        "Importance: by how much the error rises when the values of one column are shuffled between "
        f"{examples:,} examples of the {split} split; the mean of {turns} shuffles, with its 95 % interval."
    )
    if predictions.dependence.size:
        text += (
            " Mean predictions: the average over up to 200 examples that all get the same value of the column. Short "
            "lines, and the percentages of categories, show where examples lie."
        )
    yield tag("p", text, class_="soft")


def _intervals(record: RunRecord) -> Markup:
    """Return how well the prediction intervals cover the test split."""
    kept = record.intervals
    if kept is None or not kept.test:
        return Markup()
    rows = [(name, *(number(value) for value in scores.values())) for name, scores in kept.test.items()]
    title = f"Intervals of {kept.level:.0%}, measured on {kept.examples:,} validation examples, test split"
    return join((tag("h3", title), table(("target", "covered", "mean width"), rows)))


def _model(record: RunRecord) -> Iterator[Markup]:
    if record.model is None:
        return
    layers = record.model.layers
    if layers:
        rows = [
            (layer.name, layer.type, " x ".join(map(str, layer.output_shape)), f"{layer.parameters:,}")
            for layer in layers
        ]
        yield table(("layer", "type", "output", "parameters"), rows, is_stacked=True)
    chosen = {
        "device": record.device,
        "precision": record.precision,
        "XLA": record.jit,
        "parts of a batch": record.cpu_shares,
    }
    yield facts((name, f"{choice.value}: {choice.reason}") for name, choice in chosen.items() if choice)


def _left_out(content: Content) -> Markup:
    more = len(curve_names(content.rows)) - MOST_CURVES
    return tag("p", f"{more:,} more scores are in metrics.csv.", class_="soft") if more > 0 else Markup()


def _data(record: RunRecord) -> Markup:
    if record.dataset is None:
        return Markup()
    counts = ", ".join(f"{count:,} {split}" for split, count in record.dataset.examples.items())
    weights = record.dataset.weight or ""
    left_out = "; ".join(f"{name}: {reason}" for name, reason in record.dataset.left_out.items())
    return facts(
        (
            ("dataset", record.dataset.name),
            ("examples", counts),
            ("columns left out", left_out),
            ("weights", weights and f"{weights}: every score counts each row by it"),
            ("fingerprint", record.dataset.fingerprint),
        )
    )


def _time(record: RunRecord, drawings: Sequence[Drawing]) -> Iterator[Markup]:
    yield figures(drawing for drawing in drawings if drawing.name == "time")
    rate = f"{record.throughput:,.0f} examples/s in training" if record.throughput else ""
    best = record.best
    reached = f"{best.metric} {number(best.value)} in epoch {best.epoch}" if best and best.value is not None else ""
    trained = f"{record.seconds:,.1f} s" if record.seconds is not None else ""
    yield facts((("throughput", rate), ("trained", trained), ("best", reached), ("resumed", str(record.resumed or ""))))


def _again(record: RunRecord) -> Iterator[Markup]:
    yield tag("pre", f"dlrun reproduce {record.id}    # train it again and compare bit by bit\ndlrun eval {record.id}")
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
