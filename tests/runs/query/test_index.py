"""The index of a runs folder: it saves reading, and is never believed when it may be wrong."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlrun.runs.folder import RunFolder
from dlrun.runs.query.index import _head
from dlrun.runs.query.listing import scan_runs
from dlrun.runs.query.summary import RunSummary

pytestmark = pytest.mark.usefixtures("settled")


def index_of(runs_dir: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((runs_dir / ".index.json").read_text().partition("\n")[2])
    return content


def test_removed_runs_leave_the_index(three_hundred: Path) -> None:
    run = scan_runs(three_hundred)[0]
    run.folder.run_json.unlink()
    run.folder.spec_yaml.unlink()
    run.path.rmdir()
    assert len(scan_runs(three_hundred)) == 299
    assert len(index_of(three_hundred)["runs"]) == 299


def test_a_few_runs_leave_no_index_behind(tmp_path: Path) -> None:
    RunFolder.create(tmp_path, name="x")
    assert len(scan_runs(tmp_path)) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == [scan_runs(tmp_path)[0].id]


def change_first(change: Callable[[list[Any]], object]) -> Callable[[str], str]:
    def changed(text: str) -> str:
        content = json.loads(text)
        change(next(iter(content["runs"].values()))[2])
        return json.dumps(content)

    return changed


KEYS = RunSummary._fields[2:]


def value(key: str, new: Any) -> Callable[[str], str]:
    return change_first(lambda values: values.__setitem__(KEYS.index(key), new))


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: "",
        lambda _: "[" * 100_000,
        lambda _: "[1]",
        lambda _: "{}",
        lambda _: '{"layouts": [], "runs": {"x": ["", 0, []]}}',
        lambda _: '{"layouts": [[1]], "runs": {"x": 3}}',
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"seconds"', '"minutes"'),
        lambda text: text.replace('"completed"', '"sold"'),
        value("name", 3),
        value("name", ["x"]),
        value("status", "running"),
        value("status", "damaged"),
        value("order", float("nan")),
        value("order", 10**400),
        value("seconds", "long"),
        value("best", ["loss"]),
        value("best", [1, 2, 3, 4]),
        value("result", {"test": {"accuracy": "good"}}),
        value("result", {"test": [1]}),
        value("tags", [1]),
        value("parameters", 1.5),
        change_first(list.pop),
        change_first(list.clear),
    ],
)
def test_a_damaged_or_foreign_index_is_made_again(three_hundred: Path, damage: Callable[[str], str]) -> None:
    expected = scan_runs(three_hundred)
    index = three_hundred / ".index.json"
    good = index.read_text()
    body = damage(good.partition("\n")[2]).encode()
    index.write_bytes(_head(body) + b"\n" + body)  # with a sum that fits, as a stranger's would have
    assert scan_runs(three_hundred) == expected
    assert index.read_text() == good


@pytest.mark.parametrize("change", [("0.5,", "0.9,"), ('"format":2', '"format":1'), ('"sha256":"', '"sha256":"0')])
def test_an_index_with_one_changed_digit_is_not_used(three_hundred: Path, change: tuple[str, str]) -> None:
    expected = scan_runs(three_hundred)
    index = three_hundred / ".index.json"
    good = index.read_text()
    changed = good.replace("0.5}", "0.9}").replace(*change)
    assert changed != good
    index.write_text(changed)
    assert scan_runs(three_hundred) == expected
    assert index.read_text() == good


def test_an_index_that_is_too_large_is_not_read(three_hundred: Path) -> None:
    expected = scan_runs(three_hundred)
    with (three_hundred / ".index.json").open("a") as file:
        file.truncate(1 << 40)
    assert scan_runs(three_hundred) == expected


def test_an_index_that_is_not_a_file_is_left_alone(three_hundred: Path, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("precious")
    (three_hundred / ".index.json").symlink_to(target)
    assert len(scan_runs(three_hundred)) == 300
    assert target.read_text() == "precious"
    (three_hundred / ".index.json").unlink()
    os.mkfifo(three_hundred / ".index.json")
    assert len(scan_runs(three_hundred)) == 300


def test_commands_that_remove_runs_do_not_use_the_index(three_hundred: Path) -> None:
    scan_runs(three_hundred)
    index = three_hundred / ".index.json"
    body = index.read_bytes().partition(b"\n")[2].replace(b'"completed"', b'"failed"')
    index.write_bytes(_head(body) + b"\n" + body)
    assert {run.status for run in scan_runs(three_hundred)} == {"failed"}
    assert {run.status for run in scan_runs(three_hundred, from_index=False)} == {"completed"}


def test_a_run_too_large_for_the_index_is_read_each_time(three_hundred: Path, read: list[str]) -> None:
    folder = scan_runs(three_hundred)[0].folder
    folder.update_record(tags=["x" * 50] * 1000)
    scan_runs(three_hundred)
    read.clear()
    assert len(scan_runs(three_hundred)) == 300
    assert read == [folder.id]
