"""Draw sample images of a dataset, with masks or classes, or waveforms and spectrograms of recordings, in a grid."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.data.audio.preprocess import AudioPreprocess
from dlrun.data.audio_files.form import FULL_SCALE
from dlrun.data.dataset import Dataset
from dlrun.data.inspection.facts import shown_target
from dlrun.data.inspection.inspected import sampled, sampled_places
from dlrun.data.masks.colours import Colour, class_colours, is_background, lay_over
from dlrun.data.masks.counting import pixel_counts
from dlrun.errors import RunError, UsageError
from dlrun.signature import Target

ENDINGS = (".png", ".pdf", ".svg")

_COLUMNS = 6
_INCHES = 1.6
_LONGEST_TITLE = 22
_MOST_IN_LEGEND = 24


def draw_images(dataset: Dataset, path: Path, *, samples: int) -> int:
    """Draw evenly spaced images or recordings of the training split.

    Args:
        dataset: A dataset of images, or of recordings, which are drawn as waveforms above their spectrograms.
        path: The file to write: `.png`, `.pdf` or `.svg`.
        samples: Maximum number of examples.

    Returns:
        The number of examples drawn.

    Raises:
        UsageError: The dataset has no images, or the file has another suffix.
        RunError: The file cannot be written.
    """
    if dataset.features.kind != "image":
        what = f"{dataset.name} has no images; its features are of the kind {dataset.features.kind}"
        raise UsageError(what, hint="leave out --images")
    if path.suffix.lower() not in ENDINGS:
        raise UsageError(f"{path} is not an image file", expected="a file that ends in " + ", ".join(ENDINGS))
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    train = dataset.splits["train"]
    places = sampled_places(train.features, most=samples)[:samples].tolist()
    columns = min(_COLUMNS, len(places))
    rows = math.ceil(len(places) / columns)
    target = dataset.target
    colours = {} if target is None or target.kind != "mask" else _choose_colours(train.target, target)
    figure = Figure(figsize=(_INCHES * columns, (_INCHES + 0.3) * rows), layout="constrained")
    FigureCanvasAgg(figure)
    for number in range(rows * columns):
        axes = figure.add_subplot(rows, columns, number + 1)
        axes.axis("off")
        if number < len(places):
            # matplotlib would render a class named $x$ as a formula.
            title = shown_target(dataset, train, places[number])[:_LONGEST_TITLE].replace("$", r"\$")
            axes.set_title(title, fontsize=8)
            stored = np.asarray(train.features[places[number]])
            if isinstance(dataset.preprocess, AudioPreprocess):
                _draw_recording(axes, stored, dataset.preprocess)
            else:
                pixels = _as_bytes(stored, dataset)
                if target is not None and target.kind == "mask" and train.target is not None:
                    pixels = lay_over(pixels, np.asarray(train.target[places[number]]), colours, size=target.size)
                axes.imshow(pixels, interpolation="nearest")
    if colours and target is not None:
        _draw_legend(figure, colours, target)
    try:
        figure.savefig(path, dpi=100)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error
    return len(places)


def _choose_colours(masks: npt.NDArray[Any] | None, target: Target) -> Mapping[int, Colour]:
    """Return the color of each class that occurs in a sample of masks; a background has none."""
    if masks is None:
        return {}
    pixels = pixel_counts(sampled(masks), target.size)[:, :-1].sum(axis=0)
    is_clear = is_background(target.output_names[0], float(pixels[0] / max(1, pixels.sum())))
    return class_colours([index for index in np.flatnonzero(pixels).tolist() if index or not is_clear])


def _draw_legend(figure: Any, colours: Mapping[int, Colour], target: Target) -> None:
    from matplotlib.patches import Patch

    names = [name[:_LONGEST_TITLE].replace("$", r"\$") for name in target.output_names]
    shown = [*colours.items()][:_MOST_IN_LEGEND]
    entries = [Patch(color="#{:02x}{:02x}{:02x}".format(*colour), label=names[index]) for index, colour in shown]
    figure.legend(handles=entries, loc="outside lower center", ncols=_COLUMNS, fontsize=8, frameon=False)


def _draw_recording(axes: Any, stored: npt.NDArray[Any], preprocess: AudioPreprocess) -> None:
    """Draw a waveform above its spectrogram: time to the right, low frequencies at the bottom."""
    waveform = stored.astype(np.float32) / np.float32(FULL_SCALE)
    above, below = axes.inset_axes((0, 0.68, 1, 0.32)), axes.inset_axes((0, 0, 1, 0.64))
    above.plot(waveform, linewidth=0.4, color="black")
    above.set_xlim(0, len(waveform))
    below.imshow(
        preprocess.spectrogram.measure(waveform).T, origin="lower", aspect="auto", cmap="magma", vmin=0, vmax=1
    )
    for part in (above, below):
        part.axis("off")


def _as_bytes(stored: npt.NDArray[Any], dataset: Dataset) -> npt.NDArray[np.uint8]:
    """Return an image as three channels of bytes. Values of an unknown range are scaled from minimum to maximum."""
    values = stored.astype(np.float32)
    scale = float(getattr(dataset.preprocess, "scale", 1.0))
    low, high = (0.0, 1 / scale) if scale != 1.0 else (float(values.min()), float(values.max()))
    if scale == 1.0 and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    pixels = np.clip((values - low) / ((high - low) or 1.0), 0, 1)
    if pixels.shape[-1] != 3:  # not a color image: show the first channel in gray
        pixels = np.repeat(pixels[..., :1], 3, axis=-1)
    return np.asarray(np.round(pixels * 255), np.uint8)
