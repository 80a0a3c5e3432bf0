"""Predictions in each format, and files that exist completely or not at all."""

import io
import resource
from pathlib import Path

import numpy as np
import pytest

from dlrun.errors import DataError, RunError, UsageError
from dlrun.prediction.columns import OutputColumn
from dlrun.prediction.formats import Format
from dlrun.prediction.output import check_place, write_predictions
from dlrun.prediction.predict import PredictionBatch, Predictions
from example_predictions import IN_CSV, predictions, read_back


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_an_error_or_ctrl_c_leaves_the_existing_file_unchanged(tmp_path: Path, kind: Format) -> None:
    place = tmp_path / "p"
    place.write_text("before")
    for end in (DataError("row 7 is none"), KeyboardInterrupt()):
        with pytest.raises(type(end)):
            write_predictions(predictions(ends=end), place, kind=kind)
    assert [path.name for path in tmp_path.iterdir()] == ["p"]
    assert place.read_text() == "before"


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_full_disk_is_one_message_and_leaves_no_partial_file(tmp_path: Path, kind: Format) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(RunError, match=r"cannot write .*p\.x: File too large"):
            write_predictions(predictions(repeat=2000), tmp_path / "p.x", kind=kind)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_kept_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("before")
    (tmp_path / "link.csv").symlink_to("real.csv")
    write_predictions(predictions(), tmp_path / "link.csv", kind="csv")
    assert (tmp_path / "link.csv").is_symlink()
    assert read_back(tmp_path / "real.csv")[0] == IN_CSV


@pytest.mark.parametrize("rows", [(3,), (2, 5, 1), ()])
def test_reconstructions_of_all_blocks_are_one_array(tmp_path: Path, rows: tuple[int, ...]) -> None:
    whole = np.arange(sum(rows) * 4, dtype=np.float32).reshape(sum(rows), 2, 2)
    starts = np.cumsum([0, *rows])
    blocks = iter(
        PredictionBatch((["x"] * count, np.zeros(count, np.float32)), whole[start : start + count])
        for start, count in zip(starts, rows, strict=False)
    )
    stream = io.StringIO()
    columns = (OutputColumn("name", is_text=True), OutputColumn("reconstruction_error"))
    write_predictions(Predictions(columns, blocks), stream, kind="csv", reconstructions=tmp_path / "r.npy")
    found = np.load(tmp_path / "r.npy")
    assert len(found) == sum(rows)
    assert not rows or (found == whole).all()
    assert len(stream.getvalue().splitlines()) == 1 + sum(rows)


def test_an_unwritable_path_is_reported_before_any_computation(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("1,2\n")
    for path, said in (
        (tmp_path / "no" / "p.csv", "there is no folder"),
        (tmp_path, "not a regular file"),
        (Path("/dev/null"), "not a regular file"),
        (tmp_path / "in.csv", "is the input file"),
    ):
        with pytest.raises(UsageError, match=said):
            check_place(path, sources=["other.csv", str(tmp_path / "in.csv")])
    check_place(tmp_path / "p.csv", sources=["-"])


def test_predictions_never_follow_a_planted_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").write_text("precious")
    planted = tmp_path / ".planted.new"
    planted.symlink_to(tmp_path / "mine")
    monkeypatch.setattr("dlrun.prediction.output.staged_name", lambda _path: planted)
    with pytest.raises(RunError, match="cannot write"):
        write_predictions(predictions(), tmp_path / "p.csv", kind="csv")
    assert (tmp_path / "mine").read_text() == "precious"
    assert not (tmp_path / "p.csv").exists()
