"""The examples that a report shows: pictures in a gallery, rows of a table in a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.report.drawing import picture, wav
from dlrun.report.examples.masks import mask_examples
from dlrun.report.markup import Markup, image, number, player, table, tag
from dlrun.runs.predictions import StoredPredictions
from dlrun.scoring.deciding import decide
from dlrun.signature import Target

Array = npt.NDArray[Any]

_MOST_COLUMNS = 8
_MOST_VALUES = 4


def examples(predictions: StoredPredictions, target: Target) -> Markup:
    """Return the markup of the stored examples."""
    if target.kind == "mask":
        return mask_examples(predictions, target)
    places = range(len(predictions.shown))
    if target.kind == "input" or len(predictions.pictures):
        return tag("div", *(_card(index, predictions, target) for index in places), class_="gallery")
    columns = shown_columns(predictions)
    texts = predictions.texts if not columns and any(map(str, predictions.texts)) else np.zeros(0, np.str_)
    text_header = ("text",) if len(texts) else ()
    names = [str(predictions.columns[place]) for place in columns]
    rows = [
        (
            f"{int(predictions.rows[int(predictions.shown[index])])}",
            *(str(predictions.cells[index][place]) for place in columns),
            *((str(texts[index]),) if len(texts) > index else ("",) * len(text_header)),
            *_outcome_cells(predictions, int(predictions.shown[index]), target),
        )
        for index in places
    ]
    return table(("example", *names, *text_header, *_header(target)), rows, is_stacked=True)


def shown_columns(predictions: StoredPredictions) -> Sequence[int]:
    """Return the indices of the columns to show: the most important ones, in the order of the table."""
    count = len(predictions.columns)
    if not len(predictions.cells) or count <= _MOST_COLUMNS:
        return range(count if len(predictions.cells) else 0)
    # Without importances all are 0, and the stable sort keeps the first columns.
    by = predictions.importances if len(predictions.importances) == count else np.zeros(count)
    return sorted(np.argsort(-by, kind="stable")[:_MOST_COLUMNS].tolist())


def class_name(target: Target, index: int) -> str:
    """Return the name of a class, or its index if it has no name."""
    return target.class_names[index] if 0 <= index < len(target.class_names) else str(index)


def _header(target: Target) -> tuple[str, ...]:
    if target.kind == "classes":
        return ("truth", "prediction", "probability")
    if target.kind == "class_columns":
        return tuple(f"{name}{what}" for name in target.names for what in ("", ", prediction"))
    names = target.output_names[:_MOST_VALUES]
    if target.kind == "labels":
        return tuple(f"{name}{what}" for name in names for what in ("", ", probability"))
    if target.size == 1:
        return ("truth", "prediction", "error")
    return tuple(f"{name}{what}" for name in names for what in ("", ", prediction"))


def _outcome_cells(predictions: StoredPredictions, place: int, target: Target) -> Iterator[str]:
    """Yield the table cells with the truth and the prediction of an example."""
    outputs, truth = predictions.outputs[place], predictions.target[place]
    if target.kind == "classes":
        guess = int(decide(outputs[None], target)[0])
        yield from (class_name(target, int(truth)), class_name(target, guess), f"{outputs[guess]:.0%}")
    elif target.kind == "class_columns":
        guesses = decide(outputs[None], target)[0].tolist()
        for part, true, guess in zip(target.parts, truth.astype(int), guesses, strict=True):
            own = outputs[part.places]
            yield from (class_name(part.target, int(true)), f"{class_name(part.target, guess)} ({own[guess]:.0%})")
    else:
        pairs = list(zip(truth.reshape(-1).tolist(), outputs.tolist(), strict=True))[:_MOST_VALUES]
        for true, found in pairs:
            yield from (number(true), number(found))
        if target.kind == "values" and target.size == 1:
            yield number(pairs[0][1] - pairs[0][0])


def _card(index: int, predictions: StoredPredictions, target: Target) -> Markup:
    place = int(predictions.shown[index])
    parts: list[Markup] = []
    shown = [predictions.pictures, predictions.reconstructions]
    pictures = [array[index] for array in shown if array.dtype == "uint8" and len(array) > index]
    parts += [image(picture(pixels), kind="png", alt="example") for pixels in pictures]
    sound = Markup()
    if len(predictions.sounds) > index:
        sound = player(wav(predictions.sounds[index], int(predictions.sampling_rate)))
    caption = f"example {int(predictions.rows[place])}, " + "; ".join(_describe_outcome(place, predictions, target))
    if len(predictions.texts) > index and str(predictions.texts[index]):
        caption = f"{caption}: {predictions.texts[index]}"
    return tag("div", tag("div", *parts, class_="pair"), sound, tag("div", caption, class_="soft"))


def _describe_outcome(place: int, predictions: StoredPredictions, target: Target) -> Iterator[str]:
    """Yield descriptions of the prediction and the truth of an example."""
    outputs = predictions.outputs[place]
    if target.kind == "input":
        yield f"error {number(float(outputs))}"
    elif target.kind in ("classes", "class_columns"):
        truths = np.atleast_1d(predictions.target[place]).astype(int)
        guesses = decide(outputs[None], target).reshape(-1).tolist()
        for part, true, guess in zip(target.parts, truths, guesses, strict=True):
            own = outputs[part.places]
            named = f"{part.name}: " if part.name else ""
            wrong = f", is {class_name(part.target, int(true))}" if guess != true else ""
            yield f"{named}{class_name(part.target, guess)} ({own[guess]:.0%}){wrong}"
    else:
        truth = predictions.target[place].reshape(-1)
        pairs = zip(outputs.tolist(), truth.tolist(), strict=True)
        yield from [f"{number(found)}, is {number(true)}" for found, true in pairs][:_MOST_VALUES]
