"""The command `dlrun data show CONFIG`, which prints one page about a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlrun.cli.display.format import format_table
from dlrun.cli.display.printable import printable
from dlrun.cli.display.terminal import tell
from dlrun.cli.options import AsJson, Config, Overrides, TrustPlugins

if TYPE_CHECKING:
    from dlrun.data.inspection.column_facts import ColumnFacts
    from dlrun.data.inspection.facts import Facts


_Samples = Annotated[
    int | None, typer.Option(min=1, max=1000, metavar="N", help="Training examples to show. Default: 3, and 24 images.")
]
_Images = Annotated[
    Path | None,
    typer.Option("--images", metavar="FILE.png", help="Also draw sample images, or waveforms with spectrograms."),
]
_ROWS, _PICTURES = 3, 24

_MOST_CLASSES, _MOST_COLUMNS = 30, 60


def show(
    config: Config,
    overrides: Overrides,
    samples: _Samples = None,
    images: _Images = None,
    *,
    trust_plugins: TrustPlugins = False,
    as_json: AsJson = False,
) -> None:
    """Show splits, classes, columns and examples of the data.

    Regression data has the range of its values in place of classes, and text data the lengths of its texts.
    """
    from dlrun.cli.display.console import Console, print_json
    from dlrun.data.inspection.facts import describe_dataset
    from dlrun.data.inspection.inspected import inspect_source
    from dlrun.data.inspection.picture import draw_images
    from dlrun.spec.parse import read_spec

    file = read_spec(config, tuple(overrides), trust_plugins=trust_plugins)
    source = file.spec.dataset
    for note in file.notes:
        tell(f"note: {note}")
    with Console().noise_kept_away():
        inspected = inspect_source(source)
        facts = describe_dataset(inspected, samples=samples or _ROWS)
        if images is not None:
            drawn = draw_images(inspected.dataset, images, samples=samples or _PICTURES)
    if as_json:
        print_json(facts.plain())
    else:
        typer.echo(facts_page(facts))
    if images is not None:
        tell(f"{drawn} examples drawn in {images}")


def facts_page(facts: Facts) -> str:
    """Return all facts as text, one section after another."""
    return printable("\n\n".join(_sections(facts)))


def _sections(facts: Facts) -> Iterator[str]:
    features = facts.features
    shape = " x ".join(map(str, features.shape))
    stored = " x ".join(map(str, features.stored_shape))
    span = f" from {features.low:.6g} to {features.high:.6g}"
    head = [
        f"dataset   {facts.name}",
        "splits    " + ", ".join(f"{name} {count:,}" for name, count in facts.splits.items()),
        f"features  {features.kind} {shape}; stored as {stored} {features.stored_dtype}{span}",
        f"target    {facts.target}",
    ]
    yield "\n".join(head)
    yield from _targets(facts)
    if facts.columns:
        yield _columns(facts.columns)
    if facts.texts is not None:
        yield _texts(facts)
    examples = [_example(example.target, example.values) for example in facts.examples if example.values]
    if examples:
        yield "training examples\n" + "\n".join(examples)
    if facts.notes:
        yield "notes\n" + "\n".join(f"  {note}" for note in facts.notes)


def _targets(facts: Facts) -> Iterator[str]:
    if facts.pixels:
        yield _masks(facts)
    elif facts.classes:
        rows = []
        for name, counts in list(facts.classes.items())[:_MOST_CLASSES]:
            shares = (f"{count:,} {count / max(1, facts.splits[split]):6.1%}" for split, count in counts.items())
            rows.append((name, *shares))
        more = len(facts.classes) - _MOST_CLASSES
        yield format_table(("class", *facts.splits), rows) + (f"\n... and {more:,} more" if more > 0 else "")
    if facts.values:
        rows = [
            (value.name, value.split, *map(_number, (value.low, value.mean, value.median, value.high, value.deviation)))
            for value in facts.values
        ]
        yield format_table(("value", "split", "min", "mean", "median", "max", "standard deviation"), rows)


def _masks(facts: Facts) -> str:
    """Return the share of the pixels of each class, and of the images with the class."""
    totals = {split: sum(counts[split] for counts in facts.pixels.values()) for split in facts.splits}
    rows = []
    for name, counts in list(facts.pixels.items())[:_MOST_CLASSES]:
        images = facts.classes.get(name, {})
        of_splits = (
            (
                f"{count / max(1, totals[split]):.2%}",
                f"{images[split]:,} {images[split] / max(1, facts.splits[split]):6.1%}" if split in images else "",
            )
            for split, count in counts.items()
        )
        rows.append((name, *(cell for cells in of_splits for cell in cells)))
    more = len(facts.pixels) - _MOST_CLASSES
    head = [title for split in facts.splits for title in (f"{split} pixels", f"{split} images with it")]
    return format_table(("class", *head), rows) + (f"\n... and {more:,} more" if more > 0 else "")


def _columns(columns: tuple[ColumnFacts, ...]) -> str:
    rows = []
    for column in columns[:_MOST_COLUMNS]:
        missing = "" if column.missing is None else f"{column.missing:.1%}"
        distinct = "" if column.distinct is None else f"{column.distinct:,}"
        top = ", ".join(f"{name} {share:.0%}" for name, share in column.top)
        rows.append(
            (column.name, column.kind, missing, distinct, *map(_number, (column.low, column.mean, column.high)), top)
        )
    more = len(columns) - _MOST_COLUMNS
    table = format_table(("column", "kind", "missing", "distinct", "min", "mean", "max", "most frequent"), rows)
    return table + (f"\n... and {more:,} more" if more > 0 else "")


def _texts(facts: Facts) -> str:
    texts = facts.texts
    if texts is None:
        return ""
    lengths = ", ".join(f"{part} {length:,}" for part, length in texts.lengths.items())
    return "\n".join(
        (
            f"{texts.tokens} per training text, by quantile: {lengths}",
            f"sequence length {texts.sequence_length:,}; {texts.longer:.1%} of the texts are longer",
            f"vocabulary {texts.vocabulary:,}; {texts.unknown:.1%} of the {texts.tokens} are not in it",
        )
    )


def _example(target: str, values: Mapping[str, str]) -> str:
    shown = ", ".join(f"{name}: {value}" for name, value in values.items())
    return f"  [{target}] {shown}" if target else f"  {shown}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"
