"""The report of a run, for every kind of target and names that contain markup, loads nothing from the network."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.errors import RunError, UsageError
from dlrun.report.comparison import write_comparison
from dlrun.report.content import read_content
from dlrun.report.drawing import draw_figure
from dlrun.report.findings import find
from dlrun.report.markup import Markup, table, tag
from dlrun.report.writing import write_report
from dlrun.runs.folder import RunFolder
from dlrun.runs.predictions import predictions_file, read_predictions, write_predictions
from dlrun.signature import Target
from run_folders import NAUGHTY, NOTHING, made, predictions

CLASSES = Target("classes", 3, (NAUGHTY, "$x$", "c"))
VALUES = Target("values", 1, encoding="value", names=("price",))
VALUE = np.linspace(0, 1, 40, dtype=np.float32)[:, None]
KINDS = {
    "classes": (CLASSES, predictions()),
    "two classes": (Target("classes", 2), predictions(outputs=np.hstack([1 - VALUE, VALUE]), target=np.arange(40) % 2)),
    "columns of classes": (
        Target.of_columns({NAUGHTY: ("a", "b"), "$x$": ("c", NAUGHTY)}),
        predictions(outputs=np.hstack([1 - VALUE, VALUE, VALUE, 1 - VALUE]), target=np.ones((40, 2), np.int32)),
    ),
    "a table": (
        CLASSES,
        predictions(
            pictures=NOTHING,
            columns=np.array([NAUGHTY, "$x$"]),
            cells=np.array([[NAUGHTY, "7"], ["&", "8"]]),
            importances=np.array([0.5, np.nan]),
            measure=np.array(NAUGHTY),
        ),
    ),
    "labels": (Target("labels", 2), predictions(outputs=np.hstack([VALUE, VALUE]), target=np.ones((40, 2)))),
    "values": (VALUES, predictions(outputs=VALUE, target=VALUE[:, 0] + 1, pictures=NOTHING)),
    "forecast": (VALUES, predictions(outputs=VALUE, target=VALUE[:, 0] + 1, naive=VALUE + 2, pictures=NOTHING)),
    "pictures again": (
        Target("input", 4, encoding="value"),
        predictions(outputs=VALUE[:, 0], target=NOTHING, reconstructions=np.zeros((2, 8, 8, 1), np.uint8)),
    ),
    "vectors again": (
        Target("input", 4, encoding="value"),
        predictions(outputs=VALUE[:, 0], target=NOTHING, pictures=np.ones((2, 4)), reconstructions=np.zeros((2, 4))),
    ),
    "no predictions": (CLASSES, None),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_run_has_a_report_that_loads_nothing_and_escapes_every_name(kind: str, tmp_path: Path) -> None:
    folder = made(tmp_path, *KINDS[kind])
    write_report(folder)
    page = folder.report_html.read_text()
    assert "<script" not in page.lower()
    assert "&lt;script&gt;" in page
    assert not re.findall(r"(?:src|href)=\"(?!data:)", page)
    assert "default-src 'none'" in page
    assert len(list(folder.plots.glob("*.png"))) == page.count('src="data:image/svg+xml')
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in folder.plots.glob("*.png"))


@pytest.mark.parametrize("name", ["x/../../../out", "../out", "/tmp/out", "a/b", "x" * 300, "a\0b", "..", "\ud800"])
def test_a_metric_of_any_name_is_drawn_into_the_folder_of_plots(name: str, tmp_path: Path) -> None:
    folder = made(tmp_path / "runs", CLASSES, None)
    rows = [{"epoch": epoch, name: epoch, f"{name}_": epoch} for epoch in (1, 2)]
    folder.metrics_jsonl.write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_report(folder)
    assert len([path for path in folder.plots.iterdir() if path.name.startswith("curve_")]) == 2
    assert list(tmp_path.iterdir()) == [tmp_path / "runs"]


def test_only_some_of_thousands_of_scores_are_drawn_and_the_others_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("plots", "page"):
        monkeypatch.setattr(f"dlrun.report.{module}.MOST_CURVES", 2)
    folder = made(tmp_path, CLASSES, None)
    rows = [{"epoch": epoch, **{f"m{number}": 1.0 for number in range(3000)}} for epoch in (1, 2)]
    folder.metrics_jsonl.write_text("".join(json.dumps(row) + "\n" for row in rows))
    folder.update_record(files_sha256={})
    write_report(folder)
    assert len([path for path in folder.plots.iterdir() if path.name.startswith("curve_m")]) == 2
    assert "2,998 more scores are in metrics.csv" in folder.report_html.read_text()


@pytest.mark.parametrize("value", [1e308, 3e38, float("inf")])
def test_values_too_large_to_draw_are_replaced_by_a_message(value: float, tmp_path: Path) -> None:
    kept = predictions(outputs=np.full((40, 1), value), target=np.full(40, -value), naive=np.full((40, 1), value))
    write_report(made(tmp_path, VALUES, kept))


@pytest.mark.parametrize("part", ["plots", "evaluation"])
def test_a_folder_that_is_a_link_is_not_written_through(part: str, tmp_path: Path) -> None:
    folder, elsewhere = made(tmp_path / "runs", CLASSES, None), tmp_path / "elsewhere"
    elsewhere.mkdir()
    (folder.path / part).symlink_to(elsewhere)
    with pytest.raises(RunError, match=f"{part}: it is a symbolic link"):
        write_report(folder) if part == "plots" else write_predictions(folder, "test", predictions())
    assert not list(elsewhere.iterdir())


def test_a_page_that_is_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    folder = made(tmp_path / "runs", CLASSES, None)
    (tmp_path / "mine").write_text("of the user")
    folder.report_html.symlink_to(tmp_path / "mine")
    write_report(folder)
    assert not folder.report_html.is_symlink()
    assert (tmp_path / "mine").read_text() == "of the user"


def test_a_page_opens_with_the_verdict_and_the_test_scores_and_folds_the_spec(tmp_path: Path) -> None:
    folder = made(tmp_path, *KINDS["a table"])
    result = {"validation": {"loss": 0.6, "accuracy": 0.5}, "test": {"loss": 0.5, "accuracy": None}}
    folder.update_record(result=result, naive={"test": {"loss": 0.1}}, baseline={"method": NAUGHTY})
    write_report(folder)
    page = folder.report_html.read_text()
    places = [
        page.index(said)
        for said in (
            '<p class="verdict bad">',
            "Worse than the naive prediction (&lt;script",
            "Undefined on the test split: accuracy",
            "Result on the test split",
            "<b>0.5</b>",
            "<b>-</b>",
            "validation (chose the epoch)",
        )
    ]
    assert places == sorted(places)
    assert "<b>0.6</b>" not in page
    assert "<details><summary>spec.yaml" in page
    assert "<details open" not in page


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


def test_an_interval_holds_the_score_and_shrinks_with_more_examples() -> None:
    few, many = (np.tile(np.arange(40) % 3, times) for times in (1, 25))
    width = []
    for target in (few, many):
        outputs = np.eye(3, dtype=np.float32)[np.where(np.arange(len(target)) % 4 == 0, 0, target)]
        kept = predictions(examples=len(target), rows=np.arange(len(target)), outputs=outputs, target=target)
        accuracy = find(kept, CLASSES).scores[0]
        assert accuracy.name == "accuracy"
        assert accuracy.low < accuracy.value < accuracy.high
        width.append(accuracy.high - accuracy.low)
    assert width[1] < width[0] / 3


def test_a_forecast_is_scored_next_to_the_naive_forecast() -> None:
    target, kept = KINDS["forecast"]
    assert kept is not None
    scores = {score.name: score.value for score in find(kept, target).scores}
    assert scores["MAE"] == pytest.approx(1.0)
    assert scores["last value: MAE"] == pytest.approx(1.0)


def test_stored_predictions_are_read_back_and_a_damaged_file_has_a_hint_to_rewrite_it(tmp_path: Path) -> None:
    folder = made(tmp_path, CLASSES, predictions())
    kept = read_predictions(folder, "test")
    assert kept is not None
    np.testing.assert_array_equal(kept.outputs, predictions().outputs)
    assert kept.texts.tolist() == [NAUGHTY, "b & c"]
    predictions_file(folder, "test").write_bytes(b"PK")
    with pytest.raises(RunError, match="damaged"):
        read_content(folder)


def test_one_page_compares_several_runs(tmp_path: Path) -> None:
    folders = [made(tmp_path, CLASSES, None), made(tmp_path, CLASSES, None)]
    folders[1].write_text(folders[1].spec_yaml, "name: other\nseed: 7\n")
    write_comparison(folders, tmp_path / "both" / "page.html")
    page = (tmp_path / "both" / "page.html").read_text()
    assert all(folder.id in page for folder in folders)
    assert "<script" not in page.lower()
    assert '<th class="number">seed</th>' in page
    with pytest.raises(UsageError, match="each once"):
        write_comparison([folders[0], folders[0]], tmp_path / "page.html")


def test_a_comparison_marks_the_best_validation_score_of_comparable_runs(tmp_path: Path) -> None:
    folders = [made(tmp_path, CLASSES, None) for _ in range(2)]
    for folder, score in zip(folders, (0.25, 0.75), strict=True):
        result = {"validation": {"error": score, "auc": None}, "test": {"error": 1 - score, "auc": score}}
        folder.update_record(result=result, directions={"loss": "min", "error": "min", "auc": "max"})
    page = compared(folders, tmp_path)
    assert page.count("<b>") == 1
    assert "<b>0.25</b>" in page
    assert ">-</td>" in page
    folders[0].update_record(dataset={"name": "x", "fingerprint": "a" * 64, "examples": {}})
    assert "<b>0.25</b>" not in compared(folders, tmp_path)


def test_a_comparison_has_ids_that_do_not_wrap_and_becomes_cards_on_a_phone(tmp_path: Path) -> None:
    folders = [made(tmp_path, CLASSES, None) for _ in range(2)]
    folders[1].write_text(folders[1].spec_yaml, "model:\n" + "".join(f"  a_key_{n}: {NAUGHTY}\n" for n in range(9)))
    page = compared(folders, tmp_path)
    assert page.count(f'<span class="id" title="{folders[0].id}">') == page.count(folders[0].id) / 2
    assert page.count('<table class="cards">') == page.count("<table")
    assert page.count('<div class="card">') == 2
    assert "model.<wbr>a_<wbr>key_<wbr>8" in page
    assert "<script" not in page


def compared(folders: list[RunFolder], tmp_path: Path) -> str:
    write_comparison(folders, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    return page[page.index("<body>") : page.index("Learning")]


def test_markup_escapes_text_and_sets_numbers_to_the_right() -> None:
    assert tag("p", "<b>", class_='"') == '<p class="&quot;">&lt;b&gt;</p>'
    assert isinstance(tag("p", tag("b", "x")), Markup)
    written = table(("name", "count"), [("a<", "1,234"), ("b", "5")])
    assert '<td class="number">1,234</td>' in written
    assert "<td>a&lt;</td>" in written
    stacked = table(('a_"b', "c"), [("<", "-")], is_stacked=True)
    assert '<td data-label="a_\u200b&quot;b">&lt;</td><td class="number" data-label="c">-</td>' in stacked


@pytest.mark.slow
def test_a_browser_reports_no_errors(tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("needs a browser: chromium is not installed")
    folder = made(tmp_path, *KINDS["classes"])
    write_report(folder)
    said = _log_of(browser, folder, tmp_path)
    assert "Errored" not in said
    assert not re.findall(r"CONSOLE|Refused|Uncaught", said)


def _log_of(browser: str, folder: RunFolder, tmp_path: Path) -> str:
    flags = "--headless --no-sandbox --disable-gpu --disable-background-networking --enable-logging=stderr --v=0"
    command = [
        browser,
        *flags.split(),
        f"--user-data-dir={tmp_path / 'profile'}",
        "--dump-dom",
        folder.report_html.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert folder.id[:15] in done.stdout
    return done.stderr


@pytest.mark.parametrize(
    "wrong",
    [
        {"columns": np.array([["a"]])},
        {"columns": np.array(["a"]), "cells": np.array([["x", "y"]])},
        {"columns": np.array(["a"]), "importances": np.zeros(2)},
        {"columns": np.array(["a"]), "importances": np.array(["x"])},
        {"times": np.zeros(3)},
        {"measure": np.array(["a", "b"])},
    ],
)
def test_arrays_that_do_not_match_are_damage_and_earlier_runs_have_none(
    tmp_path: Path, wrong: dict[str, np.ndarray[Any, Any]]
) -> None:
    folder = made(tmp_path, CLASSES, predictions(**wrong))
    with pytest.raises(RunError, match=f"damaged: {next(reversed(wrong))}"):
        read_predictions(folder, "test")
    path = predictions_file(folder, "test")
    folder.update_record(files_sha256={})
    with np.load(path) as file:
        arrays = {
            name: file[name] for name in file if name not in ("columns", "cells", "importances", "measure", "times")
        }
    np.savez(path, **arrays)
    kept = read_predictions(folder, "test")
    assert kept is not None
    assert kept.columns.size == kept.times.size == 0
