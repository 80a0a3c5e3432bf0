"""Scores of groups as tables: each with its interval, in as many tables as fit the width."""

from dlrun.cli.display.format import widest
from dlrun.cli.display.slices import plain_slices, slice_tables
from dlrun.scoring.slices import ColumnSlices, Estimate, Gap, Slice

SCORES = ("accuracy", "log_loss", "roc_auc", "macro_f1")


def sliced(extra: int = 0) -> ColumnSlices:
    names = [*SCORES, *(f"positive_rate of c{n}" for n in range(extra))]
    scores = {name: Estimate(0.5, 0.4, 0.6) for name in names}
    slices = (Slice("female", 1234, False, scores), Slice("(missing)", 3, True, scores | {"roc_auc": Estimate(None)}))
    gaps = tuple(Gap(name, Estimate(0.1, 0.0, 0.2), "female", "(missing)", (0.5, 0.6)) for name in names)
    return ColumnSlices("sex", "log_loss", slices, gaps, "a note")


def test_every_score_has_its_interval_and_the_main_one_comes_first() -> None:
    summary, scores, gaps = slice_tables([sliced()])
    assert summary.startswith("by sex: log_loss 0.5 for female")
    header, female, missing, *remarks = scores.split("\n")
    assert header.split() == ["sex", "examples", "log_loss", "accuracy", "roc_auc", "macro_f1"]
    assert female.split()[:2] == ["female", "1,234"]
    assert female.count("0.5000 (0.4000 to 0.6000)") == 4
    assert missing.startswith("(missing) *")
    assert " - " in missing
    assert remarks == ["* too small to judge: fewer than 30 examples", "a note"]
    assert gaps.split("\n")[1].startswith("gap of log_loss")


def test_scores_that_do_not_fit_follow_in_further_tables() -> None:
    _, scores, _ = slice_tables([sliced()], width=80)
    assert len(scores.split("\n\n")) == 2
    assert widest(scores) <= 80


def test_the_rates_of_many_classes_are_left_to_json() -> None:
    _, scores, gaps = slice_tables([sliced(extra=30)])
    assert "positive_rate" not in scores
    assert "demographic-parity difference for c0" in gaps
    assert "more differences: --json" in gaps
    assert len(plain_slices([sliced(extra=30)])[0]["slices"][0]["scores"]) == 34
