"""The winner of a search as a config."""

import json
from pathlib import Path

import pytest

from dlrun.errors import UsageError
from dlrun.search.best import write_best
from dlrun.search.folder import SearchFolder
from dlrun.spec.parse import read_spec

CONFIG = """\
# Flowers.
dataset: {type: table, path: data.csv, target: y, validation: 0.2}
model: {type: mlp, units: [32]}  # small
loss: mean_squared_error
search: {space: {model.units: {choices: [[16], [32]]}}, trials: 2}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SearchFolder:
    """A search of one complete and one paused trial."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.csv").write_text("x,y\n" + "\n".join(f"{i * i % 17},{2 * i}" for i in range(50)))
    path = tmp_path / "runs/searches/s"
    path.mkdir(parents=True)
    (path / "config.yaml").write_text(CONFIG)
    objectives = [{"name": "val_loss", "larger_is_better": False}]
    space = [{"name": "model.units", "options": [{"value": [16], "parameters": []}, {"value": [32], "parameters": []}]}]
    head = {"name": "s", "started": "", "objectives": objectives, "space": space, "sampler": "tpe", "seeds": 1}
    more = {"epochs": 9, "overrides": ["training.epochs=9"], "places": {"path": str(tmp_path / "data.csv")}}
    proposed = {
        "event": "proposed",
        "point": {"model.units": 0},
        "values": [["model.units", "[16]"]],
        "set": ["model.units=[16]"],
    }
    ended = {"event": "ended", "how": "completed", "results": [[0.25]], "runs": ["r1"], "trained": 9, "spent": 1.0}
    entries = [
        {"event": "search", **head, **more},
        {**proposed, "trial": 1},
        {**ended, "trial": 1},
        {**proposed, "trial": 2},
    ]
    (path / "ledger.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return SearchFolder(path)


def test_the_config_keeps_its_comments_and_has_the_values_of_the_trial(folder: SearchFolder, tmp_path: Path) -> None:
    write_best(folder, tmp_path / "best.yaml")
    text = (tmp_path / "best.yaml").read_text()
    assert text.startswith("# The best of 2 trials of the search s: val_loss 0.25\n")
    assert "#   model.units: [16]  (of [16], [32])\n" in text
    assert "# Flowers.\ndataset: {type: table, path: data.csv" in text
    assert "model: {type: mlp, units: [16]}  # small\n" in text
    assert text.endswith("loss: mean_squared_error\ntraining: {epochs: 9}\n")
    assert read_spec(tmp_path / "best.yaml").spec.training.epochs == 9


def test_in_another_folder_the_config_still_finds_its_data(
    folder: SearchFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    write_best(SearchFolder(folder.path), elsewhere / "best.yaml")
    assert str(read_spec(elsewhere / "best.yaml").spec.dataset.places()[0]) == str(tmp_path / "data.csv")


def test_a_trial_that_was_not_trained_has_no_config(folder: SearchFolder, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has not trained a trial 7"):
        write_best(folder, tmp_path / "best.yaml", trial=7)
