"""Groups of examples are scored at the end of a training, by `eval --by`, and for a file of their own."""

import csv
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from dlrun.cli.app import app
from dlrun.data.table.source import Table
from dlrun.errors import SpecError, UsageError
from dlrun.evaluation.evaluate import evaluate
from dlrun.experiment.train import train
from dlrun.prediction.predict import predict
from dlrun.runs.folder import RunFolder
from dlrun.training.progress.events import Event, Note

SPEC = """\
dataset: {type: table, path: people.csv, target: y, ignore: [id, sex], validation: 0.2, test: 0.3}
model: {type: mlp, units: [8]}
optimizer: {type: adam, learning_rate: 0.02}
loss: binary_crossentropy
metrics: [accuracy]
evaluation: {by: [sex, age]}
training: {epochs: 3, batch_size: 32, jit: off, tensorboard: false, report: false}
"""

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("groups")
        patch.setenv("DLRUN_STATE", str(folder / "state"))
        patch.chdir(folder)
        random = np.random.default_rng(0)
        with (folder / "people.csv").open("w") as file:
            file.write("id,age,x,sex,y\n")
            for n in range(600):
                age, x, sex = 20 + n % 50, random.normal(), "female" if random.random() < 0.4 else "male"
                noise = random.normal() * (2 if sex == "female" else 0.1)
                file.write(f"{n},{age},{x:.3f},{sex},{'yes' if x + noise > 0 else 'no'}\n")
        (folder / "x.yaml").write_text(SPEC)
        yield folder


NOTES: list[Event] = []


@pytest.fixture(scope="module")
def run(place: Path) -> RunFolder:
    return train(place / "x.yaml", runs_dir=place / "runs", listener=NOTES.append).folder


def test_groups_of_held_out_examples_are_scored_at_the_end_of_a_training(run: RunFolder) -> None:
    record = run.read_record()
    assert list(record.slices) == ["validation", "test"]
    by_sex, by_age = record.slices["test"]
    assert (by_sex.column, by_age.column, by_sex.main) == ("sex", "age", "accuracy")
    assert [each.name for each in by_sex.slices] == ["male", "female"]
    assert sum(each.examples for each in by_sex.slices) == 180
    assert by_sex.gaps[0].worse == "female"
    # The noise of the women is larger by construction: the gap is no accident.
    assert by_sex.gaps[0].difference.low is not None
    assert by_sex.gaps[0].difference.low > 0
    told = [note.text for note in NOTES if isinstance(note, Note) and note.subject == "slices"]
    assert told[2] == f"test by sex: {by_sex.summary}"


def test_the_scores_of_a_group_are_those_of_its_rows_predicted_alone(run: RunFolder, place: Path) -> None:
    evaluated = evaluate(run.path, by="sex", runs_dir=place / "runs")["test"]
    (by_sex,) = evaluated.breakdown.slices
    assert run.read_record().slices["test"][0] == by_sex
    assert run.read_record().evaluation["test"].slices == (by_sex,)
    rows = list(csv.DictReader((place / "people.csv").open()))
    table = Table.model_validate({
        "path": str(place / "people.csv"), "target": "y", "ignore": ("id", "sex"), "validation": 0.2, "test": 0.3,
    })  # fmt: skip
    split = table.load().splits["test"]
    assert split.rows is not None
    for each in by_sex.slices:
        alone = [rows[row] for row in split.rows if rows[row]["sex"] == each.name]
        with (place / "alone.csv").open("w") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(alone)
        found = evaluate(run.path, data=place / "alone.csv", runs_dir=place / "runs")["data-alone"]
        assert len(alone) == each.examples
        assert each.scores["accuracy"].value == pytest.approx(found.scores["accuracy"], abs=1e-6)
        parts = found.breakdown.parts["yes"]
        assert each.scores["true_positive_rate of yes"].value == pytest.approx(parts["recall"], abs=1e-6)
        assert each.scores["positive_rate of yes"].value == pytest.approx(parts["predicted"] / len(alone), abs=1e-6)


def test_the_rows_of_a_file_are_grouped_by_its_own_columns(run: RunFolder, place: Path) -> None:
    rows = (place / "people.csv").read_text().splitlines()
    (place / "new.csv").write_text(
        "\n".join([rows[0] + ",region", *(f"{row},r{n % 3}" for n, row in enumerate(rows[1:]))])
    )
    found = evaluate(run.path, data=place / "new.csv", by=["region", "id"], runs_dir=place / "runs")["data-new"]
    by_region, by_id = found.breakdown.slices
    assert [(each.name, each.examples) for each in by_region.slices] == [("r0", 200), ("r1", 200), ("r2", 200)]
    assert [each.examples for each in by_id.slices] == [151, 150, 150, 149]
    labels = [
        row for block in predict(run.path, place / "new.csv", runs_dir=place / "runs").blocks for row in block.cells[1]
    ]
    truth = [row.split(",")[4] for row in rows[1:]]
    hits = [label == true for label, true in zip(labels, truth, strict=True)][0::3]
    assert by_region.slices[0].scores["accuracy"].value == pytest.approx(np.mean(hits))


def test_eval_prints_groups_first_and_their_json_has_every_score(run: RunFolder, place: Path) -> None:
    printed = CliRunner().invoke(app, ["eval", run.id, "--by", "sex", "--runs-dir", str(place / "runs")])
    assert printed.exit_code == 0
    assert printed.output.index("by sex: accuracy ") < printed.output.index("macro mean")
    assert "equal-opportunity difference for yes" in printed.output
    as_json = CliRunner().invoke(app, ["eval", run.id, "--by", "sex", "--json", "--runs-dir", str(place / "runs")])
    (by_sex,) = json.loads(as_json.stdout)["test"]["evaluation"]["slices"]
    assert by_sex == json.loads(json.dumps(asdict(run.read_record().slices["test"][0])))
    assert set(by_sex["slices"][0]["scores"]["roc_auc"]) == {"value", "low", "high"}


@pytest.mark.parametrize("given", [{}, {"data": "people.csv"}], ids=["split", "file"])
def test_a_wrong_name_is_refused_with_the_nearest_one(run: RunFolder, place: Path, given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="there is no column 'sexx'") as caught:
        evaluate(run.path, by=("sexx",), runs_dir=place / "runs", **given)
    assert caught.value.hint == "did you mean 'sex'?"
    with pytest.raises(SpecError, match=r"x\.yaml:\d+:\d+: there is no column 'aeg'"):
        train(_changed(place, "[sex, age]", "[aeg]"), runs_dir=place / "runs")


def test_data_without_columns_says_what_can_be_grouped(place: Path) -> None:
    config = {
        "dataset": {"type": "builtin", "name": "wine"},
        "model": "linear",
        "loss": "sparse_categorical_crossentropy",
    }
    with pytest.raises(SpecError, match="a dataset of type builtin cannot be sliced by sex"):
        train({**config, "evaluation": {"by": ["sex"]}}, runs_dir=place / "runs")


def _changed(place: Path, old: str, new: str) -> Path:
    path = place / "changed" / "x.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(SPEC.replace(old, new).replace("people.csv", "../people.csv"))
    return path
