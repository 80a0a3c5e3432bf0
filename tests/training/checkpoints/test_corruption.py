"""Corrupted checkpoints are detected; these tests import only numpy."""

import random
from pathlib import Path

import numpy as np
import pytest

from dlrun.errors import CheckpointError
from dlrun.training.checkpoints.checkpoint import newest_valid, read_checkpoint, step_name, write_checkpoint

CORRUPTIONS = 1500


def write(parent: Path, step: int) -> Path:
    arrays = {"dense/kernel": np.full((3, 4), step, np.float32), "iterations": np.array(step)}
    return write_checkpoint(parent, step_name(step), arrays=arrays, state={"step": step})


def corrupted(members: dict[str, bytes], other: dict[str, bytes], dice: random.Random) -> dict[str, bytes]:
    """Return the files of a checkpoint after one corruption; a file may be missing."""
    name = dice.choice(sorted(members))
    data, found = members[name], dict(members)
    match dice.choice(["flip", "flip", "cut", "grow", "zero", "swap", "exchange", "older", "lose", "space"]):
        case "flip":
            at = dice.randrange(len(data))
            found[name] = data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :]
        case "cut":
            found[name] = data[: dice.randrange(len(data))]
        case "grow":
            found[name] = data + dice.choice([b"\0", b"\n", b" ", data])
        case "zero":
            start = dice.randrange(len(data) // 2)
            found[name] = data[:start] + bytes(len(data) - start)
        case "swap":
            found[name] = other[name]
        case "exchange":
            second = dice.choice([member for member in sorted(members) if member != name])
            found[name], found[second] = members[second], data
        case "older":
            found["manifest.json"] = members["manifest.json"].replace(b'"format": 1', b'"format": 0')
        case "lose":
            del found[name]
        case "space":
            found["manifest.json"] = members["manifest.json"].replace(b": ", b":  ", 1)
    return found


def test_every_corruption_is_detected_and_explained(tmp_path: Path) -> None:
    first, second = write(tmp_path, 10), write(tmp_path, 21)
    members, other = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in (first, second))
    assert all(members[name] != other[name] for name in members)
    dice = random.Random(20)
    for turn in range(CORRUPTIONS):
        found = corrupted(members, other, dice)
        for name in members:
            (second / name).unlink(missing_ok=True)
        for name, data in found.items():
            (second / name).write_bytes(data)
        with pytest.raises(CheckpointError) as raised:
            pytest.fail(f"corruption {turn} was read as {read_checkpoint(second)}")
        assert str(second) in raised.value.what
        if turn % 50 == 0:
            newest = newest_valid(tmp_path)
            assert newest is not None
            assert newest.path == first
            assert newest.checkpoint.state == {"step": 10}
            assert [path for path, _ in newest.skipped] == [second]
