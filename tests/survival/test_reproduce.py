"""`dlrun reproduce`: the same bits again, or which epoch differs first."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.tensorflow, pytest.mark.slow]

CONFIG = """\
name: small
dataset: {type: builtin, name: digits, validation: 0.1}
model: {type: mlp, units: [16], dropout: 0.2}
optimizer: adam
loss: sparse_categorical_crossentropy
metrics: [accuracy]
training: {batch_size: 216, epochs: 3, tensorboard: false, report: false}
"""


@pytest.fixture(scope="module")
def trained(dlrun: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reproduced")
    (folder / "small.yaml").write_text(CONFIG)
    assert dlrun.run("train", "small.yaml", folder=folder).code == 0
    (run,) = (folder / "runs").iterdir()
    return run


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return shutil.copytree(trained, tmp_path / "runs" / "copy")


def reproduced(dlrun: Any, run: Path, *options: str, **environment: str) -> Any:
    ended = dlrun.run("reproduce", run.name, *options, folder=run.parents[1], **environment)
    assert "Traceback" not in ended.err
    return ended


def edit(run: Path, **changes: Any) -> None:
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, **changes}))


def test_a_run_is_reproduced_to_the_bit_in_a_folder_of_its_own(dlrun: Any, run: Path) -> None:
    ended = reproduced(dlrun, run)
    assert ended.code == 0
    assert "bit-identical" in ended.out
    again = next(path for path in run.parent.iterdir() if path != run)
    sums = [json.loads((path / "run.json").read_text())["weights_sha256"] for path in (run, again)]
    assert sums[0] == sums[1]


def test_the_first_epoch_that_differs_is_named_with_both_values(dlrun: Any, run: Path) -> None:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    rows[1]["val_loss"] = 0.125
    rows[2]["loss"] = 0.25
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    refused = reproduced(dlrun, run)
    assert refused.code == 1
    assert "metrics.jsonl is damaged" in refused.err
    assert list(run.parent.iterdir()) == [run]  # nothing was trained to find that out
    edit(run, files_sha256={})
    ended = reproduced(dlrun, run)
    assert ended.code == 1
    assert "not identical" in ended.out
    assert "epoch 2 differs first" in ended.out
    assert "val_loss: 0.125 then" in ended.out


def test_weights_that_differ_after_equal_epochs_are_told(dlrun: Any, run: Path) -> None:
    edit(run, weights_sha256="0" * 64)
    ended = reproduced(dlrun, run)
    assert ended.code == 1
    assert "the scores of every epoch are equal, but the variables at the end differ" in ended.out


def test_what_has_changed_in_the_environment_stands_beside_it(dlrun: Any, run: Path) -> None:
    record = json.loads((run / "run.json").read_text())
    edit(run, environment={**record["environment"], "keras": "0.1"}, weights_sha256="0" * 64)
    found = json.loads(reproduced(dlrun, run, "--json").out)
    assert found["identical"] is False
    assert [change["key"] for change in found["environment"]] == ["keras"]
    assert found["data"] == []


def test_changed_data_stands_beside_it(dlrun: Any, run: Path) -> None:
    record = json.loads((run / "run.json").read_text())
    edit(run, dataset={**record["dataset"], "fingerprint": "0" * 64})
    ended = reproduced(dlrun, run)
    assert "the data has changed since then: some of its values differ (sha256 00000000..., and now" in ended.out


def test_a_run_that_was_not_completed_cannot_be_reproduced(dlrun: Any, run: Path) -> None:
    edit(run, weights_sha256=None)
    ended = reproduced(dlrun, run)
    assert ended.code == 2
    assert "was not completed" in ended.err
