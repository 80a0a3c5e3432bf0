"""One figure as SVG."""

from typing import Any
from xml.etree import ElementTree as ET

import pytest

from dlrun.report.drawing import draw_figure, figures


def test_a_plot_writes_names_as_they_are() -> None:
    drawing = draw_figure("x", "x", lambda axes: axes.set_title("$x^2$ <b>"))
    assert "$x^2$ &lt;b&gt;" in drawing.svg


def test_a_control_character_in_a_name_leaves_a_picture_that_browsers_show() -> None:
    drawing = draw_figure("x", "x", lambda axes: axes.set_title("a\x1bb"))
    assert ET.fromstring(drawing.svg) is not None
    assert "a\ufffdb" in drawing.svg


def test_a_description_is_the_text_in_place_of_a_picture() -> None:
    named, described = (draw_figure("x", "title", lambda _: None, description=text) for text in ("", "it <rises>"))
    assert 'alt="title"' in figures([named])
    assert 'alt="it &lt;rises&gt;"' in figures([described])


def test_matplotlib_settings_in_the_working_directory_have_no_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib as mpl

    plain = draw_figure("x", "x", lambda axes: axes.set_title("x"))
    changed: dict[Any, Any] = {"text.usetex": True, "font.size": 40.0, "axes.facecolor": "red"}
    for key, value in changed.items():
        monkeypatch.setitem(mpl.rcParams, key, value)
    assert draw_figure("x", "x", lambda axes: axes.set_title("x")) == plain
