"""`predict` and `dlrun predict` turn raw input of any kind into rows, in bounded memory."""

import csv
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dlrun.cli.app import app
from dlrun.data.builtin import Builtin
from dlrun.data.raw_input import Array, Examples, RawInput
from dlrun.errors import DataError, RunError, SpecError, UsageError
from dlrun.evaluation.evaluate import evaluate
from dlrun.experiment.train import train
from dlrun.prediction import predict as module
from dlrun.prediction.predict import predict
from dlrun.runs.folder import RunFolder
from dlrun.runs.interface import read_interface
from dlrun.signature import Target
from dlrun.training.progress.events import Event, Note

CONFIG = """\
dataset: {type: builtin, name: wine}
model: MODEL
loss: LOSS
training: {batch_size: 16, epochs: 2, jit: off, tensorboard: false, report: false}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Rows of wine, and no way to load the data itself but for training."""
    folder = tmp_path_factory.mktemp("predicted")
    rows = Builtin(name="wine").load().splits["test"].features
    np.save(folder / "wine.npy", rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLRUN_STATE", str(folder / "state"))
        yield folder


def trained(place: Path, model: str, loss: str) -> RunFolder:
    (place / "x.yaml").write_text(CONFIG.replace("MODEL", model).replace("LOSS", loss))
    return train(place / "x.yaml", runs_dir=place / "runs").folder


@pytest.fixture(scope="module")
def wine(place: Path) -> RunFolder:
    return trained(place, "{type: mlp, units: [8]}", "sparse_categorical_crossentropy")


@pytest.fixture
def _no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("load", "describe"):
        monkeypatch.setattr(Builtin, name, lambda _: pytest.fail("the training data was asked for"))


@pytest.mark.tensorflow
@pytest.mark.usefixtures("_no_data")
def test_rows_of_a_file_get_names_labels_and_probabilities(
    wine: RunFolder, place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    app(["predict", str(wine.path), str(place / "wine.npy"), "--top", "all"], standalone_mode=False)
    printed = capfd.readouterr()
    rows = list(csv.DictReader(io.StringIO(printed.out)))
    classes = [name for name in rows[0] if name.startswith("probability_")]
    assert [row["name"] for row in rows] == [f"row {index}" for index in range(len(np.load(place / "wine.npy")))]
    assert len(classes) == 3
    for row in rows:
        each = [float(row[name]) for name in classes]
        assert sum(each) == pytest.approx(1, abs=1e-5)
        assert row["label"] == classes[int(np.argmax(each))].removeprefix("probability_")
        assert float(row["probability"]) == max(each)
    assert f"predicted  {len(rows)} examples" in printed.err


@pytest.mark.tensorflow
@pytest.mark.usefixtures("_no_data")
def test_the_options_of_the_command_line_reach_the_model(
    wine: RunFolder, place: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    options = ["--batch-size", "7", "--device", "cpu", "--checkpoint", "best", "--set", "training.device=cpu", "-q"]
    arguments = ["predict", str(wine.path), str(place / "wine.npy"), *options, "--json", "--top", "2"]
    app(arguments, standalone_mode=False)
    printed = capfd.readouterr()
    first = json.loads(printed.out.splitlines()[0])
    assert list(first) == ["name", "label", "probability", "label_2", "probability_2"]
    app([*arguments, "-o", str(tmp_path / "p.jsonl")], standalone_mode=False)
    assert (tmp_path / "p.jsonl").read_text() == printed.out
    assert printed.err == ""


@dataclass(frozen=True)
class Words(RawInput):
    """Texts, one to a line, of which thirteen lengths are the features: a kind of input that no other module knows."""

    def read(self, source: str, *, at_once: int, target: Target | None = None) -> Iterator[Examples]:
        assert target is None
        lines = Path(source).read_text().splitlines()
        for start in range(0, len(lines), 2):
            some = lines[start : start + min(at_once, 2)]
            if "?" in some:
                raise DataError(f"{source}: line {start + 1} is no word", expected="a word")
            yield Examples(some, np.array([[len(word)] * 13 for word in some], np.float32))

    def build(self) -> Any:
        raise AssertionError

    def deployed(self, examples: Examples, index: int) -> Mapping[str, Array]:
        raise AssertionError(examples, index)


@pytest.mark.tensorflow
@pytest.mark.usefixtures("_no_data")
def test_any_kind_of_raw_input_is_read_and_a_bad_row_stops_it(
    wine: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    of_words: Any = {"raw": Words()}
    monkeypatch.setattr(module, "read_interface", lambda folder: replace(read_interface(folder), **of_words))
    words, out = tmp_path / "words.txt", tmp_path / "p.csv"
    words.write_text("=one\nGrüße\nx" + "x" * 38 + "\n")
    app(["predict", str(wine.path), str(words), "-o", str(out)], standalone_mode=False)
    assert [row["name"] for row in csv.DictReader(out.open())] == ["'=one", "Grüße", "x" * 39]
    assert "a spreadsheet would read '=one' as a formula: such texts have an apostrophe" in capfd.readouterr().err
    before = out.read_bytes()
    words.write_text("one\ntwo\n?\n")
    with pytest.raises(SystemExit) as end:
        app(["predict", str(wine.path), str(words), "-o", str(out)], standalone_mode=False)
    assert end.value.code == DataError.exit_code
    assert "line 3 is no word" in capfd.readouterr().err
    assert out.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.csv", "words.txt"]


@pytest.mark.tensorflow
def test_an_autoencoder_returns_its_errors_and_reconstructions(
    place: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = trained(place, "{type: autoencoder, latent_units: 4}", "mean_squared_error")
    made = tmp_path / "made.npy"
    app(["predict", str(run.path), str(place / "wine.npy"), "--reconstructions", str(made)], standalone_mode=False)
    rows = list(csv.DictReader(io.StringIO(capfd.readouterr().out)))
    assert list(rows[0]) == ["name", "reconstruction_error"]
    assert np.load(made).shape == (len(rows), 13)
    with pytest.raises(UsageError, match="--top 2"):
        predict(run.path, place / "wine.npy", top=2)


@pytest.mark.tensorflow
def test_non_finite_outputs_have_no_label_and_are_reported(
    wine: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dlrun.training.predictor import Predictor

    np.save(tmp_path / "x.npy", np.zeros((2, 13)))
    monkeypatch.setattr(Predictor, "__call__", lambda *_: np.array([[0.2, 0.5, 0.3], [np.nan, 0.5, 0.5]], np.float32))
    events: list[Event] = []
    (block,) = predict(wine.path, tmp_path / "x.npy", listener=events.append).blocks
    assert [bool(label) for label in block.cells[1]] == [True, False]
    assert [event.text for event in events if isinstance(event, Note) and event.subject == "warning"] == [
        "1 examples have no prediction, because the output of the network is not finite"
    ]


@pytest.mark.tensorflow
def test_unknown_categories_are_reported_by_predict_and_eval(tmp_path: Path) -> None:
    lines = [f"{'red' if index % 2 else 'green'},{index % 5}.5,{'no' if index % 2 else 'yes'}" for index in range(40)]
    (tmp_path / "train.csv").write_text("\n".join(["colour,size,y", *lines]))
    config = CONFIG.replace("{type: builtin, name: wine}", f"{{type: table, path: {tmp_path}/train.csv, target: y}}")
    config = config.replace("MODEL", "{type: mlp, units: [4]}").replace("LOSS", "binary_crossentropy")
    (tmp_path / "x.yaml").write_text(config)
    run = train(tmp_path / "x.yaml", runs_dir=tmp_path / "runs").folder
    new = tmp_path / "new.csv"
    new.write_text("colour,size,y\nred,1,no\nblue,2,yes\n")
    events: list[Event] = []
    assert len(list(predict(run.path, new, listener=events.append).blocks)) == 1
    evaluate(run.path, data=str(new), listener=events.append)
    said = [event.text for event in events if isinstance(event, Note) and event.subject == "warning"]
    assert len(said) == 2
    assert all("colour: 1 of 2 rows, such as 'blue' (known: 'green', 'red')" in text for text in said)


@pytest.mark.tensorflow
def test_rows_of_several_files_are_named_after_their_file(wine: RunFolder, place: Path) -> None:
    source = str(place / "wine.npy")
    names = [str(name) for block in predict(wine.path, [source, source]).blocks for name in block.cells[0]]
    count = len(np.load(source))
    assert names == 2 * [f"{source}: row {row}" for row in range(count)]


@pytest.mark.tensorflow
def test_a_run_that_failed_on_its_data_does_not_count_as_the_last_one(wine: RunFolder, place: Path) -> None:
    failed = RunFolder.create(wine.path.parent, name="failed")
    failed.update_record(status="failed")
    try:
        assert predict("last", place / "wine.npy", runs_dir=wine.path.parent).columns
    finally:
        shutil.rmtree(failed.path)


@pytest.mark.tensorflow
def test_options_that_do_not_fit_are_refused(wine: RunFolder, place: Path) -> None:
    source = place / "wine.npy"
    for options, error, said in (
        ({"device": "gpu:0,1"}, UsageError, "several devices"),
        ({"device": "tpu"}, SpecError, "training.device"),
        ({"batch_size": 0}, SpecError, "evaluation_batch_size"),
        ({"reconstructs": True}, UsageError, "is not an autoencoder"),
        ({"checkpoint": "none"}, UsageError, "no checkpoint 'none'"),
        ({"overrides": ("training.epochs=3",)}, UsageError, "training.epochs=3 has no effect on predictions"),
        ({"overrides": ("training.epoch=3",)}, SpecError, "did you mean 'epochs'"),
    ):
        with pytest.raises(error, match=said):
            predict(wine.path, source, **options)
    interface = wine.interface_json.read_text()
    try:
        wine.interface_json.unlink()
        with pytest.raises(RunError, match=r"interface\.json is missing"):
            predict(wine.path, source)
    finally:
        wine.interface_json.write_text(interface)


@pytest.mark.tensorflow
def test_wrong_input_is_reported_before_tensorflow_starts(wine: RunFolder, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 5)))
    check = (
        "import sys\nfrom dlrun.prediction.predict import predict\nfrom dlrun.evaluation.evaluate import evaluate\n"
        "from dlrun.errors import DataError\n"
        "for call in (lambda: predict(*sys.argv[1:]), lambda: evaluate(sys.argv[1], data=sys.argv[2])):\n"
        "    try:\n        call()\n    except DataError as error:\n        assert '(5,)' in str(error), error\n"
        "    else:\n        raise AssertionError\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    command = [sys.executable, "-c", check, str(wine.path), str(tmp_path / "x.npy")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.soak
@pytest.mark.tensorflow
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_million_rows_take_no_more_memory_than_a_thousand(wine: RunFolder, tmp_path: Path, ending: str) -> None:
    rows = np.random.default_rng(0).normal(size=(1_000_000, 13)).astype(np.float32)
    np.save(tmp_path / "many.npy", rows)
    np.save(tmp_path / "few.npy", rows[:1000])
    peaks = []
    for name in ("few", "many"):
        code = (
            "import resource, sys\nfrom dlrun.cli.app import app\n"
            "try:\n    app(sys.argv[1:])\nexcept SystemExit as end:\n    assert not end.code\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
        )
        arguments = [
            "predict",
            str(wine.path),
            str(tmp_path / f"{name}.npy"),
            "-o",
            str(tmp_path / f"p.{ending}"),
            "-q",
        ]
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout) / 1024)
    # Measured 614 MiB and 620 MiB (Parquet 669); the rows themselves are 52 MB, and as text 30 MB.
    assert peaks[1] - peaks[0] < 100


@pytest.mark.tensorflow
def test_predictions_keep_columns_of_their_rows_and_a_frame_yields_a_frame(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{number:03d},n{number},{number * 7 % 5},{number % 2}\n" for number in range(40))
    Path("rows.csv").write_text(f"id,name,a,c\n{rows}")
    spec = {
        "dataset": {"type": "table", "path": Path("rows.csv"), "target": "c", "ignore": ("id", "name")},
        "model": "linear",
        "loss": "sparse_categorical_crossentropy",
        "training": {"epochs": 1, "jit": "off", "tensorboard": False, "report": False},
    }
    run = train(spec).folder
    assert run.config_yaml.read_text().startswith("dataset:\n  type: table\n  path: rows.csv\n")
    Path("new.csv").write_text("label,name,id,a\nx,Ann,007,1\ny,NA,008,2\n")
    app(["predict", str(run.path), "new.csv", "--keep", "id,name,label"], standalone_mode=False)
    found = list(csv.DictReader(io.StringIO(capfd.readouterr().out)))
    assert list(found[0]) == ["id", "name", "label", "predicted_label", "probability"]
    assert [(row["id"], row["name"], row["label"]) for row in found] == [("007", "Ann", "x"), ("008", "NA", "y")]
    with pytest.raises(DataError, match="did you mean 'id'"):
        predict(run.path, "new.csv", keep=["idd"])
    frame = pa.table({"id": ["007", "008"], "a": [1, 2]})
    given = predict(run.path, frame, keep=["id"])
    assert given.column_names == ["name", "id", "label", "probability"]
    assert given["id"].to_pylist() == ["007", "008"]
    assert given["probability"].to_pylist() == pytest.approx([float(row["probability"]) for row in found])
    assert "pandas" not in sys.modules
    views = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.uint32()), pa.array(["007", "008"], pa.string_view()))
    given = predict(run.path, pa.table({"id": [7, None], "view": views, "a": [1, 2]}), keep=["id", "view"])
    assert given["id"].to_pylist() == [7, None]  # kept as they are in the frame
    assert given["view"].to_pylist() == ["007", "008"]
    with pytest.raises(DataError, match=r"the Table has no column 'a'; it has b"):
        predict(run.path, pa.table({"b": [1]}))
    with pytest.raises(DataError, match="the Table has 2 columns 'a'"):
        predict(run.path, pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]))
    for source in ({"a": [1]}, [{"a": 1}], 1):
        with pytest.raises(UsageError, match=f"for a {type(source).__name__}"):
            predict(run.path, source)


def test_only_tables_have_columns_to_keep(wine: RunFolder, place: Path) -> None:
    with pytest.raises(UsageError, match="id cannot be kept: this run does not predict rows of a table"):
        predict(wine.path, place / "wine.npy", keep=["id"])
