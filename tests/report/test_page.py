"""The report of a run, for every kind of target and names that contain markup, loads nothing from the network."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dlrun.report.writing import write_report
from dlrun.runs.folder import RunFolder
from run_folders import CLASSES, KINDS, NAUGHTY, made


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
