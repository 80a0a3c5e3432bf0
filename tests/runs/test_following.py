"""Growing files are followed, and tags are checked."""

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dlrun.errors import RunError
from dlrun.runs.flat_spec import read_flat_spec
from dlrun.runs.folder import RunFolder
from dlrun.runs.following import follow_lines
from dlrun.system.spreadsheet import csv_text

MakeRun = Callable[..., RunFolder]


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlrun.runs.following._PAUSE_SECONDS", 0)


def writing(path: Path, *contents: bytes) -> Callable[[], bool]:
    """A writer that, each time it is asked whether it still writes, first writes the next content."""
    left = iter(contents)

    def is_growing() -> bool:
        content = next(left, None)
        if content is not None:
            path.write_bytes(content)
        return content is not None

    return is_growing


@pytest.mark.parametrize(
    ("contents", "lines"),
    [
        ([b"a\nb\nc\n"], [b"b", b"c"]),
        ([b"a\nb\nc\n", b"a\nb\nc\nd", b"a\nb\nc\ndd\ne\n"], [b"b", b"c", b"dd", b"e"]),
        ([b"", b"a\nb\n", b"a\nb\nc"], [b"a", b"b", b"c"]),
        ([b"a\nb\nc\n", b"a\n", b"a\nB\n"], [b"b", b"c", b"B"]),
        ([b"a\nhalf", b"a\n", b"a\nB\n"], [b"a", b"B"]),
    ],
)
def test_a_file_is_followed_until_its_writer_ends(tmp_path: Path, contents: list[bytes], lines: list[bytes]) -> None:
    path = tmp_path / "x"
    assert list(follow_lines(path, last=2, is_growing=writing(path, *contents))) == lines


def test_a_file_without_a_writer_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "x"
    assert list(follow_lines(path, last=2, is_growing=lambda: False)) == []
    path.write_bytes(b"a\nb\nhalf")
    assert list(follow_lines(path, last=2, is_growing=lambda: False)) == [b"b", b"half"]
    assert list(follow_lines(path, last=0, is_growing=lambda: False)) == []
    assert list(follow_lines(path, last=9, is_growing=lambda: False)) == [b"a", b"b", b"half"]
    path.unlink()
    path.symlink_to("/etc/passwd")
    with pytest.raises(RunError, match="cannot read"):
        list(follow_lines(path, last=2, is_growing=lambda: False))


def test_a_spec_is_flattened_to_dotted_keys(make_run: MakeRun) -> None:
    assert read_flat_spec(make_run("n").spec_yaml) == {
        "name": "n",
        "dataset.type": "builtin",
        "dataset.name": "digits",
        "model.type": "mlp",
        "model.units": [64, 32],
        "model.blocks.0.filters": 8,
        "model.blocks.1.filters": 16,
        "optimizer.type": "adam",
        "optimizer.learning_rate": 0.001,
        "optimizer.weight_decay": None,
        "training.batch_size": 32,
        "training.shuffle": True,
        "training.jit": "off",
    }


def test_a_long_list_is_numbered_and_an_empty_one_is_a_value(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(f"a: {list(range(17))}\nb: []\nc: {{}}\nd: [[1], 2]\n")
    found = read_flat_spec(path)
    assert (found["a.16"], found["b"], found["d.0"], found["d.1"]) == (16, [], [1], 2)
    assert set(found) == {*(f"a.{number}" for number in range(17)), "b", "d.0", "d.1"}


def bombs() -> Iterator[bytes]:
    yield b"a: &x [1]\nb: *x\n"
    yield b"a: &a [x]\n" + b"\n".join(b"%c: &%c [*%c, *%c]" % (n + 1, n + 1, n, n) for n in range(97, 121))
    yield b"[" * 100_000
    yield b"{a: " * 100_000
    yield b"- " * 100_000
    yield b"? [1]\n: 2\n"
    yield b"\xff\xfe\x00"
    yield b"a: ["
    yield b""
    yield b"a: " + b"x" * (1 << 20)


@pytest.mark.parametrize("content", [*bombs()], ids=range(10))
def test_an_invalid_spec_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "spec.yaml"
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"spec\.yaml"):
        read_flat_spec(path)


def test_a_text_is_never_a_formula_and_a_number_stays_a_number() -> None:
    texts = ["=1+1", "+1", "-1", "@x", "\tx", "\r=1", "\uff1d1", "x=1", "", "a\nb", 'a"b', "-"]
    (row,) = csv.reader(io.StringIO(csv_text([[*texts, -1.5, -3, None, True]])))
    assert row[:7] == ["'=1+1", "+1", "-1", "'@x", "'\tx", "'\\r=1", "'\uff1d1"]
    assert row[7:] == ["x=1", "", "a\nb", 'a"b', "'-", "-1.5", "-3", "", "True"]


def test_a_metric_with_the_name_of_a_formula_is_text_in_metrics_csv(make_run: MakeRun) -> None:
    run = make_run()
    run.append_metrics({"epoch": 1, "=cmd()": -1.0})
    run.append_metrics({"epoch": 2, "=cmd()": -2.0})
    assert run.metrics_csv.read_text() == "epoch,'=cmd()\n1,-1.0\n2,-2.0\n"
