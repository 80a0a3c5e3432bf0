"""One figure as SVG."""

from typing import Any

import pytest

from dlrun.report.drawing import draw_figure


def test_a_plot_writes_names_as_they_are() -> None:
    drawing = draw_figure("x", "x", lambda axes: axes.set_title("$x^2$ <b>"))
    assert "$x^2$ &lt;b&gt;" in drawing.svg


def test_matplotlib_settings_in_the_working_directory_have_no_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib as mpl

    plain = draw_figure("x", "x", lambda axes: axes.set_title("x"))
    changed: dict[Any, Any] = {"text.usetex": True, "font.size": 40.0, "axes.facecolor": "red"}
    for key, value in changed.items():
        monkeypatch.setitem(mpl.rcParams, key, value)
    assert draw_figure("x", "x", lambda axes: axes.set_title("x")) == plain
