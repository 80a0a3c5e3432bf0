"""Common mistakes of newcomers get a hint with the correct form."""

from pathlib import Path

import pytest

from dlrun.errors import SpecError
from dlrun.spec.parse import read_spec

GOOD = {
    "dataset": "{type: builtin, name: digits}",
    "model": "linear",
    "loss": "sparse_categorical_crossentropy",
}


def hints_of(text: str, folder: Path, *overrides: str) -> list[str]:
    (folder / "x.yaml").write_text(text)
    with pytest.raises(SpecError) as caught:
        read_spec(folder / "x.yaml", overrides)
    return [problem.hint for problem in caught.value.problems]


def spec(**changed: str) -> str:
    return "".join(f"{key}: {value}\n" for key, value in (GOOD | changed).items())


@pytest.mark.parametrize(
    ("key", "value", "meant"),
    [
        ("metrics", "[MSE]", "mean_squared_error"),
        ("metrics", "[f1]", "f1_score"),
        ("metrics", "[acc]", "accuracy"),
        ("metrics", "[Accuracy]", "accuracy"),
        ("metrics", "[roc-auc]", "auc"),
        ("loss", "cross_entropy", "sparse_categorical_crossentropy"),
        ("loss", "CrossEntropyLoss", "sparse_categorical_crossentropy"),
        ("loss", "BCEWithLogitsLoss", "binary_crossentropy"),
        ("loss", "smooth_l1", "huber"),
        ("optimizer", "Adam", "adam"),
        ("optimizer", "RMSProp", "rmsprop"),
        ("model", "neural_network", "mlp"),
        ("dataset", "{type: csv, path: x}", "table"),
    ],
)
def test_a_name_from_another_tool_gets_the_dlrun_name_as_a_hint(
    key: str, value: str, meant: str, tmp_path: Path
) -> None:
    assert hints_of(spec(**{key: value}), tmp_path)[0] == f"did you mean {meant!r}?"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("epochs: 3", "training.epochs"),
        ("lr: 0.1", "optimizer.learning_rate"),
        ("batchsize: 3", "training.batch_size"),
        ("target: x", "dataset.target"),
        ("training: {learning_rate: 1}", "optimizer.learning_rate"),
        ("optimizer: {type: adam, epochs: 1}", "training.epochs"),
    ],
)
def test_a_key_outside_its_section_gets_its_path_as_a_hint(text: str, meant: str, tmp_path: Path) -> None:
    assert hints_of(f"{spec()}{text}\n", tmp_path) == [f"did you mean {meant}?"]


def test_an_override_without_its_section_gets_the_full_one_as_a_hint(tmp_path: Path) -> None:
    assert hints_of(spec(), tmp_path, "epochs=3") == ["--set training.epochs=3"]
    assert hints_of(spec(), tmp_path, "lr=0.1") == ["--set optimizer.learning_rate=0.1"]


def test_a_percentage_gets_the_fraction_as_a_hint(tmp_path: Path) -> None:
    data = "{type: table, path: x.csv, target: y, test: 20%}"
    assert "write 20% as the fraction 0.2" in hints_of(spec(dataset=data), tmp_path)


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        ("a:\n  b: c\n   d: e\n", "indented more than line 2", "column 3"),
        ("model: mlp\n  units: [3]\n", "indented more than line 1", "'type: mlp'"),
        ("a:\n  b: c\n d: e\n", "unlike any line above", "same column"),
        ("a:\n  b:c\n  d: e\n", "line 2 has no space after its colon", "b: c"),
        ("a:\n\tb: c\n", "does not allow tabs", "two spaces"),
        ("a: {b: c\nd: e\n", "bracket that opens on line 1 is not closed", "'}' at its end"),
        ("a: [b, c\n", "bracket that opens on line 1 is not closed", "']' at its end"),
        ("a: 'b\n", "quoted text that starts on line 1 is not closed", "same quote"),
        ("a: b: c\n", "two colons", "in quotes"),
        ("a: @b\n", "cannot start a value", "in quotes"),
    ],
)
def test_invalid_yaml_is_explained_in_plain_english(text: str, what: str, hint: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(SpecError) as caught:
        read_spec(tmp_path / "x.yaml")
    assert what in caught.value.problems[0].what
    assert hint in caught.value.problems[0].hint


def test_data_or_a_run_instead_of_a_config_gets_the_right_command_as_a_hint(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    for name, command in (("rows.csv", "dlrun init --data"), ("run", "dlrun resume"), (".", "dlrun init --data")):
        with pytest.raises(SpecError, match=command):
            read_spec(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("dataset:\n  type:digits\nmodel: mlp\nloss: mse\n", "`type: digits`"),
        ("dataset:\n  type = table\nmodel: mlp\nloss: mse\n", "`type: table`"),
        ("dataset: {type: synthetic}\nmodel: {type:mlp}\nloss: mse\n", "`type: mlp`"),
        ("dataset:\n  type: synthetic\n  model: {type: linear}\n", "model is a section of its own"),
        ('dataset: synthetic\nmodel: linear\nloss: mse\ntraining: {epochs: "3"}\n', "write 3 without quotes"),
        ('dataset: {type: table, path: "c:\\iris.csv"}\n', "single quotes"),
    ],
)
def test_a_yaml_slip_gets_the_correct_form_as_a_hint(text: str, hint: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(SpecError) as caught:
        read_spec(tmp_path / "x.yaml")
    assert any(hint in problem.hint for problem in caught.value.problems)


def test_a_validation_percentage_is_not_a_split_name(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("dataset: {type: builtin, name: digits, validation: 10%}\nmodel: mlp\nloss: mse\n")
    with pytest.raises(SpecError, match=r"10% is not a valid hold-out: write it as the fraction 0\.1"):
        read_spec(tmp_path / "x.yaml")
