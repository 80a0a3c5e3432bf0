import errno
import json
from pathlib import Path

import numpy as np
import pytest

from dlrun.errors import RunError
from dlrun.runs.history import History
from dlrun.system.disk import Disk

ROWS = [{"epoch": 1, "loss": 0.1 + 0.2}, {"epoch": 2, "loss": 1e-30}, {"epoch": 3, "loss": 5.0}]


def history(folder: Path) -> History:
    return History(folder / "metrics.jsonl", csv=folder / "metrics.csv")


def text(folder: Path) -> tuple[str, str]:
    return (folder / "metrics.jsonl").read_text(), (folder / "metrics.csv").read_text()


def test_rows_are_appended_to_both_files_and_read_back_exactly(tmp_path: Path) -> None:
    rows = history(tmp_path)
    for row in ROWS:
        rows.append(row)
    assert rows.read() == ROWS
    assert text(tmp_path) == (
        '{"epoch": 1, "loss": 0.30000000000000004}\n{"epoch": 2, "loss": 1e-30}\n{"epoch": 3, "loss": 5.0}\n',
        "epoch,loss\n1,0.30000000000000004\n2,1e-30\n3,5.0\n",
    )


def test_a_value_that_is_not_finite_is_null_and_an_empty_cell(tmp_path: Path) -> None:
    rows = history(tmp_path)
    rows.append({"epoch": np.int64(1), "loss": float("nan"), "accuracy": np.float32("inf"), "auc": np.float32(0.5)})
    assert rows.read() == [{"epoch": 1, "loss": None, "accuracy": None, "auc": 0.5}]
    assert text(tmp_path)[1] == "epoch,loss,accuracy,auc\n1,,,0.5\n"


def test_a_new_column_appears_at_the_end_of_the_csv_for_all_rows(tmp_path: Path) -> None:
    rows = history(tmp_path)
    rows.append({"epoch": 1, "loss": 1})
    rows.append({"val_loss": 3, "epoch": 2, "loss": 2})
    rows.append({"epoch": 3})
    assert text(tmp_path)[1] == "epoch,loss,val_loss\n1,1,\n2,2,3\n3,,\n"


def test_an_incomplete_last_line_does_not_count_and_is_overwritten(tmp_path: Path) -> None:
    for torn in ('{"epoch": 4, "lo', '{"epoch": 4, "loss": 1.0}', '{"epoch": 4, "lo\n', "\0\0\0", "[4]\n"):
        first = history(tmp_path)
        first.cut(0)
        for row in ROWS[:2]:
            first.append(row)
        with (tmp_path / "metrics.jsonl").open("a") as file:
            file.write(torn)
        assert history(tmp_path).read() == ROWS[:2]
        history(tmp_path).append(ROWS[2])
        assert history(tmp_path).read() == ROWS
        assert text(tmp_path)[1].splitlines()[-1] == "3,5.0"


def test_a_damaged_line_before_the_last_is_an_error_with_its_number(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"epoch": 1}\n{"epo\n{"epoch": 3}\n')
    with pytest.raises(RunError, match=r"metrics\.jsonl:2 is damaged"):
        history(tmp_path).read()


def test_an_outdated_or_missing_csv_is_written_again(tmp_path: Path) -> None:
    history(tmp_path).append(ROWS[0])
    (tmp_path / "metrics.csv").write_text("epoch,lo")
    history(tmp_path).append(ROWS[1])
    (tmp_path / "metrics.csv").unlink()
    history(tmp_path).append(ROWS[2])
    assert text(tmp_path)[1] == "epoch,loss\n1,0.30000000000000004\n2,1e-30\n3,5.0\n"


def test_cutting_and_continuing_gives_the_same_bytes_as_no_interruption(tmp_path: Path) -> None:
    straight, resumed = tmp_path / "straight", tmp_path / "resumed"
    straight.mkdir()
    resumed.mkdir()
    for row in ROWS:
        history(straight).append(row)
    rows = history(resumed)
    rows.append(ROWS[0])
    length, digest = rows.mark()
    rows.append(ROWS[1])
    rows.append({"epoch": 9, "val_loss": 1})
    again = history(resumed)
    assert again.mark()[0] > length
    again.cut(length, digest=digest)
    assert again.read() == ROWS[:1]
    again.append(ROWS[2])
    again.cut(length, digest=digest)  # once more, by an object that has written since
    for row in ROWS[1:]:
        again.append(row)
    assert text(resumed) == text(straight)
    with pytest.raises(RunError, match="bytes"):
        again.cut(10_000)


def test_rows_that_changed_since_the_checkpoint_are_an_error(tmp_path: Path) -> None:
    for row in ROWS:
        history(tmp_path).append(row)
    length, digest = history(tmp_path).mark()
    (tmp_path / "metrics.jsonl").write_text(text(tmp_path)[0].replace("0.3", "0.4"))
    with pytest.raises(RunError, match="was changed") as raised:
        history(tmp_path).cut(length, digest=digest)
    assert digest in raised.value.expected
    history(tmp_path).cut(length)  # a checkpoint of a version that kept no sums


def test_a_failed_append_keeps_earlier_rows_and_the_next_one_repairs_both_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Disk.write
    for at in (1, 2):  # of the two files of one row
        rows = history(tmp_path)
        rows.cut(0)
        rows.append(ROWS[0])
        count = 0

        def full(self: Disk, handle: int, data: memoryview, at: int = at) -> int:
            nonlocal count
            count += 1
            if count == at:
                real(self, handle, data[: len(data) // 2])
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(self, handle, data)

        with monkeypatch.context() as patch:
            patch.setattr(Disk, "write", full)
            with pytest.raises(RunError, match="the disk is full"):
                rows.append(ROWS[1])
        rows.append(ROWS[2])
        found = [row["epoch"] for row in rows.read()]
        assert found == ([1, 3] if at == 1 else [1, 2, 3])
        assert [line.split(",")[0] for line in text(tmp_path)[1].splitlines()[1:]] == [str(epoch) for epoch in found]
        assert all(json.loads(line) for line in text(tmp_path)[0].splitlines())


@pytest.mark.parametrize(
    ("lines", "rows"),
    [
        (['{"loss": 1}', '{"loss": 2}'], [{"loss": 1, "epoch": 1}, {"loss": 2, "epoch": 2}]),
        (['{"epoch": NaN, "loss": Infinity}', "{}"], [{"epoch": 1, "loss": None}, {"epoch": 2}]),
        (['{"epoch": 1, "\\ud800": 0.5}'], [{"epoch": 1, "?": 0.5}]),
    ],
)
def test_every_row_read_has_an_epoch_and_valid_numbers_and_names(
    lines: list[str], rows: list[dict[str, float | None]], tmp_path: Path
) -> None:
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    assert history(tmp_path).read() == rows
    history(tmp_path).append({"epoch": 9, "loss": 0.1})  # which writes the CSV anew
    assert (tmp_path / "metrics.csv").exists()


@pytest.mark.parametrize(
    "text",
    [
        f'{{"epoch": {10**4000}}}\n{{}}\n',
        '{"epoch": 1, "x": ' + "[" * 3000 + "]" * 3000 + "}\n{}\n",
        json.dumps({f"metric {number}": 1.0 for number in range(100_000)}) + "\n{}\n",
        "\n" * 10_000_000,
        "".join(json.dumps({f"{row} {number}": 1 for number in range(2000)}) + "\n" for row in range(100)),
    ],
)
def test_a_file_beyond_the_limits_of_training_is_refused_at_once(text: str, tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text(text)
    with pytest.raises(RunError, match="is damaged"):
        history(tmp_path).read()
