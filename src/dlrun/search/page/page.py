"""The HTML page of a search, which loads nothing from the network."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from dlrun.report.drawing import Drawing, figures
from dlrun.report.markup import Markup, data_url, document, image, section, tag
from dlrun.search.outcome import SearchOutcome
from dlrun.search.page.axes import key_axes
from dlrun.search.page.front import front_table
from dlrun.search.page.headline import costs, current_winner, headline
from dlrun.search.page.importance import importance_text
from dlrun.search.page.parallel import MOST_LINES
from dlrun.search.page.progress import progress_legend
from dlrun.search.page.rungs import rung_table
from dlrun.search.page.slices import MOST_KEYS, slice_legend
from dlrun.search.page.tables import trial_tables

_NARROW = "(max-width: 46rem)"
"""Screens on which the axes of the parallel coordinates are below each other; as in the style of the page."""


def search_page(outcome: SearchOutcome, drawings: Sequence[Drawing]) -> str:
    """Return the page of a search.

    Args:
        outcome: The search.
        drawings: Its plots, in any order.
    """

    def named(*beginnings: str) -> Markup:
        return figures(drawing for drawing in drawings if drawing.name.startswith(beginnings))

    return document(
        outcome.name,
        (
            tag("h1", f"Search {outcome.name}"),
            tag("p", _what(outcome), class_="soft"),
            *headline(outcome),
            *section("Pareto front", [named("front"), *front_table(outcome)]),
            *section("Progress", [named("progress"), progress_legend(outcome)]),
            *section("Keys and scores", _keys(outcome, drawings)),
            *section("Importance of keys", [named("importances"), *importance_text(outcome)]),
            *section("Halving", [*rung_table(outcome), named("rungs")]),
            *section("Time and trials", [costs(outcome)]),
            *section("Trials", trial_tables(outcome)),
            *section("How to go on", _next_steps(outcome)),
        ),
    )


def _what(outcome: SearchOutcome) -> str:
    keys = len(key_axes(outcome))
    aims = ", ".join(f"{'largest' if each.larger_is_better else 'smallest'} {each.name}" for each in outcome.objectives)
    return (
        f"Looks for the {aims} over {keys} {'key' if keys == 1 else 'keys'}, "
        f"started {outcome.started[:16].replace('T', ' ')}"
    )


def _keys(outcome: SearchOutcome, drawings: Sequence[Drawing]) -> Iterator[Markup]:
    by_name = {drawing.name: drawing for drawing in drawings}
    if (narrow := by_name.get("parallel")) is not None:
        yield _parallel(narrow, by_name.get("parallel_wide"))
        yield tag("p", _reading(outcome), class_="soft")
    slices = figures(drawing for drawing in drawings if drawing.name.startswith("slice"))
    yield slices
    if slices:
        yield tag("p", slice_legend(outcome), class_="soft")
    more = len(key_axes(outcome)) - MOST_KEYS
    if more > 0:
        yield tag("p", f"{more} more keys are only in the table of trials.", class_="soft")


def _parallel(narrow: Drawing, wide: Drawing | None) -> Markup:
    """Return the parallel coordinates in the form that fits the screen."""
    caption = tag("figcaption", narrow.title)
    if wide is None:
        return tag("figure", image(narrow.svg.encode(), kind="svg+xml", alt=narrow.description), caption, class_="plot")
    source = tag("source", media=_NARROW, srcset=data_url(narrow.svg.encode(), kind="image/svg+xml"))
    shown = image(wide.svg.encode(), kind="svg+xml", alt=wide.description)
    return tag("figure", tag("picture", Markup(source.removesuffix("</source>")), shown), caption)


def _reading(outcome: SearchOutcome) -> str:
    stages = {trial.stage for trial in outcome.trials}
    text = "A line is a trial, dark for a good score; the best is orange"
    if "failed" in stages:
        text += ", failed trials are dotted red"
    if "paused" in stages:
        text += ", trials that were paused early are grey"
    counted = sum(trial.counts for trial in outcome.trials)
    return text + (f". The best {MOST_LINES} of {counted:,} trials." if counted > MOST_LINES else ".")


def _next_steps(outcome: SearchOutcome) -> Iterator[Markup]:
    name = shlex.quote(outcome.name)
    lines = [f"dlrun search show {name}    # the table of its trials; --json and --csv for programs"]
    if outcome.best is not None:
        lines.append(f"dlrun search best {name} -o best.yaml    # the best trial as a config")
        lines.append("dlrun train best.yaml")
    winner = current_winner(outcome)
    if winner is not None:
        run = shlex.quote(winner.run)
        lines += [f"dlrun eval {run}", f"dlrun export {run}"]
    yield tag("pre", "\n".join(lines))
    go_on = "The command that started the search goes on with it; with more trials or minutes it looks further."
    yield tag("p", go_on, class_="soft")
    if winner is not None:
        # Searches are in `runs/searches/NAME`, beside the runs of their trials.
        link = tag("a", "The report of the winner", href=f"../../{quote(winner.run)}/report.html")
        yield tag("p", link, " has its curves and predictions.")
