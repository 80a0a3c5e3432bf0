"""Runs are compared side by side."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlrun.errors import UsageError
from dlrun.runs.compare.compare import RunComparison, compare_runs
from dlrun.runs.compare.curves import Curve, check_picture, curve_of, draw_picture, read_curves
from dlrun.runs.folder import RunFolder

MakeRun = Callable[..., RunFolder]
ROW = {"step": 8, "seconds": 1.0, "examples_per_second": 100.0}


def section(found: RunComparison, name: str) -> dict[str, tuple[Any, ...]]:
    return {line.key: line.values for line in found.lines if line.section == name}


def test_a_comparison_shows_only_the_spec_keys_that_differ(make_run: MakeRun) -> None:
    same = compare_runs([make_run("a"), make_run("b")])
    assert section(same, "spec") == {}
    first, second = make_run("a"), make_run("b", spec=("units: [64, 32]", "units: [64]\n  dropout: 0.1"))
    found = compare_runs([first, second])
    assert found.ids == (first.id, second.id)
    assert section(found, "spec") == {"model.units": ([64, 32], [64]), "model.dropout": (None, 0.1)}
    typed = compare_runs([first, make_run("c", spec=("batch_size: 32", "batch_size: '32'"))])
    assert section(typed, "spec") == {"training.batch_size": (32, "32")}


def test_scores_and_outcomes_are_side_by_side(make_run: MakeRun) -> None:
    first = make_run(
        result={"test": {"accuracy": 0.5}, "validation": {"loss": 1.0}},
        best={"metric": "val_loss", "value": 1.0, "epoch": 3, "step": 9},
        model={"type": "mlp", "parameters": 7},
        seconds=2.0,
    )
    second = make_run(result={"test": {"accuracy": 0.75, "auc": None}}, status="running", throughput=9.5)
    found = compare_runs([first, second])
    assert section(found, "score") == {
        "validation loss": (1.0, None),
        "test accuracy": (0.5, 0.75),
        "test auc": (None, None),
        "best val_loss": (1.0, None),
        "epoch of best val_loss": (3, None),
    }
    assert section(found, "outcome") == {
        "status": ("completed", "stale"),
        "seconds": (2.0, None),
        "examples/s": (None, 9.5),
        "parameters": (7, None),
    }
    assert found.plain()["score"]["test accuracy"] == {first.id: 0.5, second.id: 0.75}


def test_what_makes_scores_hard_to_compare_is_a_warning(make_run: MakeRun) -> None:
    data = {"name": "x", "examples": {}}
    common = {"versions": {"keras": "3.15.1", "numpy": "2.2"}, "git": {"commit": "a" * 40, "dirty": False}}
    first = make_run(dataset={**data, "fingerprint": "1" * 64}, **common)
    alike = make_run(dataset={**data, "fingerprint": "1" * 64}, **common)
    assert compare_runs([first, alike]).warnings == ()
    assert section(compare_runs([first, alike]), "environment") == {}
    other = make_run(
        dataset={**data, "fingerprint": "2" * 64},
        versions={"keras": "3.15.2", "numpy": "2.2"},
        git={"commit": "b" * 40, "dirty": True},
    )
    found = compare_runs([first, alike, other])
    assert [warning.split(":")[0] for warning in found.warnings] == [
        "the runs used different data",
        "the runs come from different commits",
        "some of the runs come from code with uncommitted changes",
        "the runs used different versions of keras",
    ]
    environment = section(found, "environment")
    assert environment["data fingerprint"] == ("1" * 12, "1" * 12, "2" * 12)
    assert environment["keras"] == ("3.15.1", "3.15.1", "3.15.2")
    assert "numpy" not in environment


def test_equal_numbers_with_other_names_are_different_data(make_run: MakeRun) -> None:
    data = {"name": "x", "examples": {}, "fingerprint": "1" * 64}
    north, port = (make_run(dataset={**data, "names_sha256": digit * 64}) for digit in "ab")
    found = compare_runs([north, port])
    assert section(found, "environment") == {"data names": ("a" * 12, "b" * 12)}
    assert found.warnings[0].startswith("the runs used data with other classes")
    earlier = make_run(dataset=data)
    assert compare_runs([north, earlier]).warnings == ()


def test_a_comparison_needs_two_different_runs(make_run: MakeRun) -> None:
    run = make_run()
    for folders in ([run], [run, run], [run, make_run(), RunFolder(run.path / ".." / run.id)]):
        with pytest.raises(UsageError, match="nothing to compare"):
            compare_runs(folders)


def test_a_spec_that_cannot_be_read_is_a_warning(make_run: MakeRun) -> None:
    run = make_run()
    run.spec_yaml.write_text("[" * 100_000)
    found = compare_runs([run, make_run()])
    assert "nested deeper" in found.warnings[0]


def test_curves_show_val_loss_if_all_runs_have_it(make_run: MakeRun) -> None:
    first, second, empty = make_run("a"), make_run("b"), make_run("c")
    for epoch in (1, 2):
        first.append_metrics({"epoch": epoch, **ROW, "loss": 1 / epoch, "val_loss": float("nan")})
        second.append_metrics({"epoch": epoch, **ROW, "loss": 2 / epoch, "val_loss": 2.5})
    assert read_curves([first, second]) == (
        "val_loss",
        {first.id: [(1, None), (2, None)], second.id: [(1, 2.5), (2, 2.5)]},
    )
    assert read_curves([first, empty]) == ("loss", {first.id: [(1, 1.0), (2, 0.5)]})
    with pytest.raises(UsageError, match="no run has epochs with 'los'") as raised:
        read_curves([first], "los")
    assert (raised.value.expected, raised.value.hint) == ("one of loss, val_loss", "--metric loss")


def test_a_picture_is_drawn_for_any_names_and_values(tmp_path: Path) -> None:
    curves: dict[str, Curve] = {
        r"_$\frac{\x1b<script>alert(1)</script>": [(1, 1.0), (2, None), (3, 0.5)],
        "数字": [(1, 1e308), (2, -1e308)],
        "": curve_of([{"loss": 10**400}, {"loss": float("nan")}, {"epoch": 1e999, "loss": 3}], "loss"),
    }
    for name, begins in (("x.png", b"\x89PNG"), ("x.svg", b"<?xml"), ("x.PDF", b"%PDF")):
        check_picture(tmp_path / name)
        draw_picture(tmp_path / name, curves, metric="$loss")
        assert (tmp_path / name).read_bytes().startswith(begins)
    assert b"<script>" not in (tmp_path / "x.svg").read_bytes()


def test_an_unknown_image_format_is_refused(tmp_path: Path) -> None:
    for name in ("x.gif", "x", "png"):
        with pytest.raises(UsageError, match="is not an image file"):
            check_picture(tmp_path / name)


def test_the_best_of_each_score_follows_its_own_direction(make_run: MakeRun) -> None:
    said = {"loss": "min", "quality": "min", "accuracy": "max"}
    names = (*said, "unsaid")
    runs = [make_run(result={"test": dict.fromkeys(names, value)}, directions=said) for value in (1.0, 2.0)]
    found = compare_runs(runs)
    low, high = found.ids
    assert found.plain()["best"] == {"test loss": [low], "test quality": [low], "test accuracy": [high]}


def test_runs_of_different_folds_differ_in_their_validation_examples_and_not_in_their_data(make_run: MakeRun) -> None:
    def fold(index: int, fingerprint: str) -> RunFolder:
        data = {"name": "t", "fingerprint": fingerprint * 64, "examples": {}}
        own = f"units: [64, 32]\ndataset:\n  fold:\n    index: {index}"
        return make_run(dataset=data, spec=("units: [64, 32]", own))

    found = compare_runs([fold(0, "a"), fold(1, "b")])
    assert found.warnings == (
        "the validation splits of the runs are different folds: their validation scores are of other examples",
    )
    assert "used different data" in compare_runs([fold(0, "a"), fold(0, "b")]).warnings[0]
