"""Files that results depend on are refused if they were changed or removed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dlrun.data.array_input import ArrayInput
from dlrun.data.interface import Interface
from dlrun.data.preprocess import ArrayPreprocess
from dlrun.errors import RunError
from dlrun.report.content import read_content
from dlrun.runs.folder import RunFolder
from dlrun.runs.interface import read_interface
from dlrun.runs.predictions import read_predictions, write_predictions
from dlrun.signature import Features, Target
from run_folders import predictions

MakeRun = Callable[..., RunFolder]

READERS: dict[str, Callable[[RunFolder], Any]] = {
    "interface.json": read_interface,
    "metrics.jsonl": lambda folder: folder.read_metrics(),
    "evaluation/test.npz": lambda folder: read_predictions(folder, "test"),
}


@pytest.fixture
def run(make_run: MakeRun) -> RunFolder:
    folder = make_run()
    interface = Interface(
        "x",
        ArrayInput((4,)),
        ArrayPreprocess((4,)),
        Features("vector", (4,)),
        Target("values", 1, mean=(5.5,), scale=(2.0,)),
    )
    digest = folder.write_json(folder.interface_json, interface.plain())
    folder.append_metrics({"epoch": 1, "loss": 0.5})
    folder.record_sums({folder.interface_json: digest, folder.metrics_jsonl: folder.history.mark()[1]})
    values = np.linspace(0, 1, 40, dtype=np.float32)
    write_predictions(folder, "test", predictions(outputs=values[:, None], target=values))
    return folder


@pytest.mark.parametrize("part", READERS)
def test_a_changed_or_missing_file_is_an_error(run: RunFolder, part: str) -> None:
    path, read = run.path / part, READERS[part]
    assert read(run)
    content = path.read_bytes()
    changed = content.replace(b"5.5", b"6.5").replace(b"0.5", b"0.6") if b".5" in content else content + b"\0"
    assert changed != content
    path.write_bytes(changed)
    for look in (read, read_content):
        with pytest.raises(RunError, match="was changed after the run wrote it") as raised:
            look(run)
        assert str(path) in raised.value.what
        assert run.read_record().files_sha256[part] in raised.value.expected
        assert "from a copy" in raised.value.hint
    path.unlink()
    for look in (read, read_content):
        with pytest.raises(RunError, match="is missing"):
            look(run)
    run.update_record(files_sha256={})  # of a version that kept no sums
    path.write_bytes(changed)
    if part != "evaluation/test.npz":
        assert read(run)


def test_storing_a_checksum_keeps_those_of_other_files(run: RunFolder) -> None:
    before = run.read_record().files_sha256
    run.record_sums({run.metrics_jsonl: None, run.path / "a": "0"})
    assert run.read_record().files_sha256 == {**{k: v for k, v in before.items() if k != "metrics.jsonl"}, "a": "0"}
