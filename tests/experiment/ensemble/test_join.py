"""An ensemble is one run: it predicts the weighted mean of its members, also after they are gone."""

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import dlrun
from dlrun.cli.app import app
from dlrun.report.writing import write_report

pytestmark = pytest.mark.tensorflow

FORMATS = ("onnx", *(pytest.param(each, marks=pytest.mark.soak) for each in ("keras", "savedmodel", "tflite")))
TRAINING = {"batch_size": 32, "epochs": 1, "report": False, "tensorboard": False}


@dataclass(frozen=True)
class Made:
    """Members with different columns, and their ensemble."""

    runs_dir: Path
    table: Path
    members: tuple[str, str]
    result: dlrun.TrainingResult

    @property
    def run(self) -> str:
        return self.result.folder.id

    def probabilities(self, run: str) -> npt.NDArray[Any]:
        blocks = dlrun.predict(run, self.table, top="all", runs_dir=self.runs_dir).blocks
        return np.concatenate(
            [np.stack([np.asarray(cells, float) for cells in block.cells[3:]], 1) for block in blocks]
        )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("ensemble")
    random, table = np.random.default_rng(0), folder / "t.csv"
    rows = [f"{random.normal():.3f},{['red', 'green', 'blue'][i % 3]},{['no', 'yes'][i % 2]}" for i in range(120)]
    table.write_text("\n".join(["a,color,y", *rows]) + "\n")
    spec: dict[str, Any] = {
        "dataset": {"type": "table", "path": str(table), "target": "y", "test": 0.25, "validation": 0.25},
        "loss": "sparse_categorical_crossentropy",
        "metrics": ["accuracy"],
        "training": TRAINING,
    }
    wide = {**spec, "name": "wide", "model": {"type": "mlp", "units": [4]}}
    narrow = {**spec, "name": "narrow", "model": "linear", "dataset": {**spec["dataset"], "ignore": ["color"]}}
    members = [dlrun.train(each, runs_dir=folder / "runs").folder.id for each in (wide, narrow)]
    result = dlrun.ensemble(members, runs_dir=folder / "runs")
    return Made(folder / "runs", table, (members[0], members[1]), result)


def test_it_predicts_the_mean_of_its_members(made: Made) -> None:
    mean = np.mean([made.probabilities(member) for member in made.members], axis=0)
    np.testing.assert_allclose(made.probabilities(made.run), mean, atol=1e-6)


def test_it_is_scored_on_the_common_splits_and_eval_finds_the_same(made: Made) -> None:
    assert made.result.scores.keys() == {"validation", "test"}
    found = dlrun.evaluate(made.run, runs_dir=made.runs_dir)["test"].scores
    assert found == pytest.approx(made.result.scores["test"], rel=1e-6)


def test_groups_of_the_examples_are_scored_by_a_column_that_only_one_member_uses(made: Made) -> None:
    for data, examples in ((None, 30), (made.table, 120)):
        (found,) = dlrun.evaluate(made.run, data=data, by="color", runs_dir=made.runs_dir).values()
        (by_color,) = found.breakdown.slices
        assert {each.name for each in by_color.slices} == {"red", "green", "blue"}
        assert sum(each.examples for each in by_color.slices) == examples


def test_its_record_names_the_members_and_their_weights(made: Made) -> None:
    recorded = made.result.record["ensemble"]
    assert [(each["id"], each["weight"]) for each in recorded["members"]] == [(each, 0.5) for each in made.members]
    assert recorded["method"] == "mean"
    own = [made.runs_dir / member / "run.json" for member in made.members]
    scores = [json.loads(path.read_text())["result"]["validation"]["loss"] for path in own]
    assert recorded["validation"]["loss"] == pytest.approx(np.mean(scores))


def test_its_report_lists_the_members_with_weights_and_scores(made: Made) -> None:
    write_report(made.result.folder)
    page = made.result.folder.report_html.read_text().replace("<wbr>", "")
    _, members = page.split("<h2>Members</h2>")
    table = members.partition("</table>")[0]
    rows = re.findall(r"<tr><td[^>]*>([^<]*)</td><td[^>]*>([^<]*)</td><td[^>]*>([^<]*)</td>", table)
    assert [(run, weight) for run, weight, _ in rows] == [(member, "0.5") for member in made.members]
    assert all(float(loss) > 0 for *_, loss in rows)
    assert "validation loss" in table


def test_greedy_weights_are_chosen_on_validation_and_no_worse_there(made: Made) -> None:
    greedy = dlrun.ensemble(made.members, weights="greedy", name="greedy", runs_dir=made.runs_dir)
    single = [json.loads((made.runs_dir / run / "run.json").read_text())["result"] for run in made.members]
    others = [made.result.scores["validation"]["loss"], *(each["validation"]["loss"] for each in single)]
    assert greedy.scores["validation"]["loss"] <= min(others) + 1e-6
    assert any("greedy selection" in note for note in greedy.record["ensemble"]["notes"])


def test_it_cannot_be_trained_longer_but_can_be_made_again(made: Made) -> None:
    with pytest.raises(dlrun.UsageError, match="an ensemble, which has nothing to train"):
        dlrun.resume(made.run, overrides="training.epochs=2", runs_dir=made.runs_dir)
    with pytest.raises(dlrun.SpecError, match="joined from trained runs, and is not trained itself"):
        dlrun.plan(made.runs_dir / made.run / "spec.yaml")
    assert dlrun.reproduce(made.run, runs_dir=made.runs_dir).identical


def test_it_is_listed_shown_and_compared_like_any_run(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["ls"], ["show", made.run], ["compare", made.run, made.members[0]]):
        app(["runs", *command, "--runs-dir", str(made.runs_dir)], standalone_mode=False)
        assert "ensemble" in capsys.readouterr().out


@pytest.mark.parametrize("to", FORMATS)
def test_it_is_exported_as_one_model(made: Made, to: str, tmp_path: Path) -> None:
    found = dlrun.export(made.run, to, output=tmp_path / f"model.{to}", runs_dir=made.runs_dir)
    assert found.measured.largest_difference < 1e-5
    assert found.sample.origin == str(made.table)
    assert [each["name"] for each in found.description.plain()["inputs"]] == ["a", "color"]


def test_runs_that_do_not_fit_are_refused_by_name(made: Made, tmp_path: Path) -> None:
    wide, _ = made.members
    for runs, message in (
        ([wide], "an ensemble of 1 run"),
        ([wide, wide], "is given twice"),
        ([wide, made.run], "is an ensemble already"),
        ([], "no runs are given"),
    ):
        with pytest.raises(dlrun.UsageError, match=message):
            dlrun.ensemble(runs, runs_dir=made.runs_dir)
    with pytest.raises(dlrun.UsageError, match="--weights is 'best'"):
        dlrun.ensemble(made.members, weights="best", runs_dir=made.runs_dir)
    changed = tmp_path / "t.csv"
    changed.write_text(made.table.read_text().replace("red", "pink"))
    with pytest.raises(dlrun.DataError, match="has changed since"):
        dlrun.ensemble(made.members, overrides=f"dataset.path={changed}", runs_dir=made.runs_dir)


def test_it_needs_neither_its_members_nor_the_data(made: Made, tmp_path: Path) -> None:
    before, alone = made.probabilities(made.run), tmp_path / "runs"
    shutil.copytree(made.runs_dir / made.run, alone / made.run)
    moved = Made(alone, tmp_path / "t.csv", made.members, made.result)
    shutil.copy(made.table, moved.table)
    hidden = made.table.rename(made.table.with_stem("hidden"))
    try:
        np.testing.assert_array_equal(moved.probabilities(made.run), before)
        with pytest.raises(dlrun.DataError) as error:
            dlrun.evaluate(made.run, runs_dir=made.runs_dir)
        assert error.value.hint == "if the data has moved: --set dataset.members.*.path=PATH"
        path = f"dataset.members.*.path={hidden}"
        found = dlrun.evaluate(made.run, overrides=path, runs_dir=made.runs_dir)["test"].scores
        assert found == pytest.approx(made.result.scores["test"], rel=1e-6)
    finally:
        hidden.rename(made.table)
    with pytest.raises(dlrun.UsageError, match="cannot be joined again, because its member"):
        dlrun.reproduce(made.run, runs_dir=alone)
