"""How `dlrun auto` divides its time."""

from typing import Any

import pytest

from dlrun.search.auto.auto import final_seconds
from dlrun.search.trials import Trials

HEAD = {"event": "search", "objectives": [{"name": "val_loss", "larger_is_better": False}], "epochs": 9}


def trials(*complete: tuple[float, float]) -> Trials:
    """Trials with these scores and seconds."""
    entries: list[dict[str, Any]] = [HEAD]
    for number, (score, seconds) in enumerate(complete, start=1):
        entries.append({"event": "proposed", "trial": number, "point": {}, "values": []})
        end = {"how": "completed", "results": [[score]], "runs": ["r"], "trained": 9, "spent": seconds}
        entries.append({"event": "ended", "trial": number, **end})
    return Trials(entries)


def test_time_for_the_final_training_is_left_once_there_is_a_winner() -> None:
    assert final_seconds(trials(), 600.0) == 0
    assert final_seconds(trials((0.5, 10.0), (0.4, 20.0)), 600.0) == pytest.approx(20.0)
    assert final_seconds(trials((0.5, 1000.0)), 600.0) == pytest.approx(240.0)
