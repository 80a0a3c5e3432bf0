"""Figures that are built and kept for a test, but not made into pictures."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from dlrun.report.drawing import SIZE, Drawing


def keep_axes(monkeypatch: pytest.MonkeyPatch, module: ModuleType, keep: Callable[[str, Any], object]) -> None:
    """Give the name and the axes of every plot of a module to a function, after its content is drawn on them."""
    from matplotlib.figure import Figure

    def draw_figure(
        name: str, title: str, draw: Any, *, size: tuple[float, float] = SIZE, description: str = ""
    ) -> Drawing:
        axes = Figure(figsize=size).add_subplot()
        keep(name, axes)
        draw(axes)
        return Drawing(name, title, "", b"", description=description)

    monkeypatch.setattr(module, "draw_figure", draw_figure)
