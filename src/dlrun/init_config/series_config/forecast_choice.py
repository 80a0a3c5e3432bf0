"""Choose window, difference and model of a series from what was measured on its training span."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dlrun.init_config.draft import Key, Section, Sizes
from dlrun.init_config.series_config.backtest import Backtest
from dlrun.init_config.series_config.season import Season

_LEAST_HISTORY, _ROWS_OF_A_WINDOW, _USUAL_HISTORY = 2, 20, 24
_VALIDATION, _SMALL_VALIDATION = 0.1, 0.05
_PASSES, _FEWEST_EPOCHS, _MOST_EPOCHS = 800_000, 8, 50
_MOST_CELLS = 1_000
"""Largest number of values in a window of several columns."""
_UNITS, _DROPOUT = [128, 64], 0.1


@dataclass(frozen=True)
class ForecastChoice:
    """The keys of a config that a measurement decides.

    Args:
        measured: What was measured; None if there are too few rows.
        history: Number of rows of a window.
        season: Season of the naive forecast; None if there is none, or the window is shorter.
    """

    measured: Backtest | None
    history: int
    season: Season | None

    @classmethod
    def of(
        cls, measured: Backtest | None, seasons: Sequence[Season], *, rows: int, history: int | None, columns: int
    ) -> ForecastChoice:
        """Choose the window, and the season that it covers.

        Args:
            measured: What was measured; None if there are too few rows.
            seasons: The seasons that the series may have.
            rows: Number of rows of the series.
            history: Number of rows of a window, if the user chose it.
            columns: Number of columns that are features.
        """
        if measured is None:
            return cls(None, history or max(_LEAST_HISTORY, min(_USUAL_HISTORY, rows // _ROWS_OF_A_WINDOW)), None)
        chosen = history or measured.best.history
        if history is None and measured.suggests_network:
            # A network also uses what a linear function cannot, so it gets a day of hours even if that needs fewer.
            chosen = max(chosen, _USUAL_HISTORY)
        if history is None and columns > 1:
            # A column of categories has several features, and a least-squares solution takes only so many.
            chosen = max(_LEAST_HISTORY, min(chosen, _MOST_CELLS // columns))
        covered = [each for each in seasons if each.rows <= chosen and each.rows in measured.naive]
        season = min(covered, key=lambda each: measured.naive[each.rows].error, default=None)
        return cls(measured, chosen, season)

    @property
    def is_network(self) -> bool:
        """Whether the model is a network."""
        return self.measured is not None and self.measured.suggests_network

    @property
    def keys(self) -> dict[str, Any]:
        """The keys `season` and `difference` of the dataset."""
        season = {} if self.season is None else {"season": self.season.rows}
        difference = "none" if self.measured is None else self.measured.best.difference
        if difference == "seasonal" and self.season is not None:
            return {**season, "difference": "seasonal"}
        return {**season, "difference": True} if difference == "last" else season

    @property
    def model(self) -> Section:
        """The section of the model."""
        if self.is_network:
            return (
                Key("type", "mlp", "sees the whole window; lstm and gru read it row by row"),
                Key("units", _UNITS),
                Key("dropout", _DROPOUT),
                Key("linear_shortcut", value=True, comment="start as the best linear model, and learn what it cannot"),
            )
        return tuple(self._linear())

    def _linear(self) -> Iterator[Key]:
        best = self.measured.best if self.measured else None
        yield Key("type", "linear", "a linear function of the window, which is an autoregression")
        yield Key("solver", "least_squares", "computed, not trained")
        if best is None:
            yield Key("l2", 0.1, "ridge penalty")
            return
        why = (
            "ridge penalty: all weights are 0, as the naive forecast won"
            if best.is_naive
            else "ridge penalty, measured"
        )
        yield Key("l2", float(f"{best.l2:.3g}"), why)
        if best.is_invariant:
            yield Key("shift_invariant", value=True, comment="the forecast moves with the level of the series")
        if not best.has_bias:
            yield Key("bias", value=False, comment="no average change is added either")

    @property
    def validation(self) -> float:
        """The fraction of examples to hold out for validation."""
        # Nothing of a linear model is chosen by validation, and its newest rows are the most useful ones for training.
        return _VALIDATION if self.is_network else _SMALL_VALIDATION

    @property
    def learning_rate(self) -> float:
        """The learning rate of adam."""
        return 1e-3 if self.is_network else 1e-6

    def training(self, sizes: Sizes) -> Section:
        """Return the section of the training.

        Args:
            sizes: Choices that depend on the number of examples.
        """
        batch = Key("batch_size", sizes.batch_size)
        if not self.is_network:
            return (batch, Key("epochs", 1, "the least-squares solution is the start and the end"))
        epochs = max(_FEWEST_EPOCHS, min(_MOST_EPOCHS, round(_PASSES / sizes.examples)))
        # The rate falls to 0 by the end, so the last epochs are often the best; a short patience would miss them.
        stop = Key("early_stopping", {"patience_epochs": max(5, epochs // 2)}, "keep the best epoch by val_loss")
        return (batch, Key("epochs", epochs), stop)

    @property
    def why_season(self) -> str:
        """A comment on the season."""
        return f"{self.season.why}; the naive forecast may repeat it" if self.season else ""

    @property
    def remark(self) -> str:
        """What was measured, for a comment above the window; empty without a measurement."""
        if self.measured is None:
            return ""
        return (
            "Errors (RMSE ± standard error) of forecasts of the training span, each fitted on the rows before it: "
            f"{self._tried()}. Written: {self._taken()}."
        )

    @property
    def messages(self) -> tuple[str, ...]:
        """What was measured, for the terminal."""
        if self.measured is None:
            return ("forecast: too few rows to measure which forecast is best",)
        return (
            f"forecast: RMSE ± standard error on the training span: {self._tried()}",
            f"forecast: {self._taken()}",
            *self._warnings(),
        )

    def _tried(self) -> str:
        measured = self.measured
        if measured is None:
            return ""
        naive = (
            f"{'last value' if season == 1 else f'value {season} rows before'} {score}"
            for season, score in measured.naive.items()
        )
        return "; ".join((*naive, *(f"{kind} {score}" for kind, score in measured.by_kind.items())))

    def _taken(self) -> str:
        measured = self.measured
        if measured is None:
            return ""
        why = f", {measured.why}" if measured.why else ""
        return f"{measured.best.description}: {measured.score}{why}{self._of_network()}"

    def _of_network(self) -> str:
        measured = self.measured
        if measured is None or not measured.suggests_network:
            return ""
        if measured.curves is None:
            return f"; with {measured.rows:,} rows, a network finds more"
        return f"; {100 * (1 - measured.curves):.1f} % less with curves, so a network"

    def _warnings(self) -> Iterator[str]:
        measured = self.measured
        if measured is not None and measured.best.is_naive:
            yield "forecast: the model repeats a naive forecast, as nothing was clearly better; it may be a random walk"
