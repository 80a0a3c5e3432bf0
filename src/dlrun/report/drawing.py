"""Draw plots with matplotlib, as SVG for the page and as PNG for the folder of plots."""

from __future__ import annotations

import io
import re
import wave
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.report.markup import Markup, image, tag

Array = npt.NDArray[Any]

SIZE = (4.6, 3.1)
"""Width and height in inches. They are small so that the labels are readable on a phone."""
COLOURS = ("#1f6feb", "#d1570a", "#1a7f37", "#8250df", "#bf3989", "#57606a", "#9a6700", "#0a7ea4")
_DOTS_PER_INCH = 150
_NOT_IN_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that a name may have but an SVG may not: a browser would show nothing of the picture."""
_STYLE: dict[Any, Any] = {
    "font.size": 9.0,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#57606a",
    "axes.titlesize": 10.0,
    "grid.color": "#d0d7de",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "text.parse_math": False,  # class names may contain $
    "svg.fonttype": "none",
}


@dataclass(frozen=True)
class Drawing:
    """A plot in two formats.

    Args:
        name: Name of its file in the folder of plots, without suffix.
        title: Title shown above the plot.
        svg: The plot as SVG, for the page.
        png: The plot as PNG.
        is_wide: Whether it is as wide as two plots.
        description: What it shows, for readers who cannot see it; empty if the title is enough.
    """

    name: str
    title: str
    svg: str
    png: bytes
    is_wide: bool = False
    description: str = ""


def load_library() -> None:
    """Import matplotlib and find its fonts before the first plot, by drawing and discarding a plot and a picture."""
    draw_figure("first", "", lambda axes: axes.set_title("0"))
    picture(np.zeros((1, 1, 1), np.uint8))


def draw_figure(
    name: str, title: str, draw: Callable[[Any], None], *, size: tuple[float, float] = SIZE, description: str = ""
) -> Drawing:
    """Draw a plot.

    Args:
        name: Name of its file.
        title: Title shown above the plot.
        draw: Function that draws on matplotlib axes.
        size: Width and height in inches.
        description: What it shows, for readers who cannot see it.
    """
    import matplotlib as mpl
    from cycler import cycler

    with mpl.rc_context():
        mpl.rcdefaults()  # a matplotlibrc in the working directory may request LaTeX, an external program
        # Without a salt, matplotlib gives the elements of an SVG random ids, and no two reports would be equal.
        mpl.rcParams.update({**_STYLE, "axes.prop_cycle": cycler(color=COLOURS), "svg.hashsalt": name})
        try:
            svg, png = _forms(draw, size)
        except (ValueError, ArithmeticError):  # numbers that overflow in matplotlib, such as a loss of 1e308
            svg, png = _forms(_say_why_not, size)
    return Drawing(name, title, svg, png, is_wide=size[0] > SIZE[0], description=description)


def figures(drawings: Iterable[Drawing]) -> Markup:
    """Return plots side by side where the page is wide enough."""
    shown = [
        tag(
            "figure",
            image(one.svg.encode(), kind="svg+xml", alt=one.description or one.title),
            tag("figcaption", one.title),
            class_="wide" if one.is_wide else "plot",
        )
        for one in drawings
    ]
    return tag("div", *shown, class_="plots") if shown else Markup()


def _forms(draw: Callable[[Any], None], size: tuple[float, float]) -> tuple[str, bytes]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=_DOTS_PER_INCH, layout="constrained")
    canvas: Any = FigureCanvasAgg(figure)  # without types
    draw(figure.add_subplot())
    svg, png = io.StringIO(), io.BytesIO()
    # Figure.savefig would draw everything twice for each format and repeat the layout.
    canvas.print_png(png)
    figure.set_layout_engine("none")
    svg_canvas: Any = FigureCanvasSVG(figure)  # without types
    svg_canvas.print_svg(svg, metadata={"Date": None, "Creator": None})
    return _NOT_IN_XML.sub("\ufffd", svg.getvalue()), png.getvalue()


def _say_why_not(axes: Any) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, "the values are too large to draw", ha="center", va="center")


def wav(samples: Array, rate: int) -> bytes:
    """Return a recording as a WAV file, without silence at its end.

    Shape:
        samples: `(n,)` int16.
    """
    heard = samples[: int(np.flatnonzero(samples).max(initial=0)) + 1]
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, rate, len(heard), "NONE", "NONE"))
        file.writeframes(heard.astype("<i2").tobytes())
    return buffer.getvalue()


def picture(pixels: Array) -> bytes:
    """Return a picture as PNG, with small pictures enlarged.

    Shape:
        pixels: `(height, width, 1 or 3)` uint8.
    """
    from matplotlib.image import imsave

    times = max(1, 96 // max(pixels.shape[:2]))
    enlarged = np.repeat(np.repeat(pixels, times, axis=0), times, axis=1)
    colours = np.repeat(enlarged, 3, axis=2) if enlarged.shape[2] == 1 else enlarged[:, :, :3]
    buffer = io.BytesIO()
    imsave(buffer, np.ascontiguousarray(colours), format="png")
    return buffer.getvalue()
