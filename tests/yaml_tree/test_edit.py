"""Values changed in the text of a file, whose comments and layout stay."""

import pytest

from dlrun.yaml_tree.edit import EditError, with_value, without_key

TEXT = """\
# A config.
name: wine   # its name

dataset: {type: table, path: wine.csv}  # flow

model:
  type: mlp
  units: [64, 32]  # two layers
  # the dropout of each

optimizer: adam
metrics:
  - accuracy
  - {type: auc}
training:   # how long
  epochs: 5
  early_stopping:
    patience_epochs: 3

# Looking for better values:
search:
  space:
    model.units: {choices: [[64], [32]]}
  # a comment inside
"""


@pytest.mark.parametrize(
    ("path", "value", "before", "after"),
    [
        ("name", "iris", "name: wine   # its name", "name: iris   # its name"),
        ("model.units", "[8]", "units: [64, 32]  # two layers", "units: [8]  # two layers"),
        ("model.dropout", "0.5", "  units: [64, 32]  # two layers", "  units: [64, 32]  # two layers\n  dropout: 0.5"),
        ("dataset.path", "a.csv", "path: wine.csv}", "path: a.csv}"),
        ("dataset.target", "y", "path: wine.csv}  # flow", "path: wine.csv, target: y}  # flow"),
        ("optimizer.learning_rate", "0.01", "optimizer: adam", "optimizer: {type: adam, learning_rate: 0.01}"),
        ("training.early_stopping.patience_epochs", "7", "patience_epochs: 3", "patience_epochs: 7"),
        ("training.early_stopping", "null", "early_stopping:\n    patience_epochs: 3", "early_stopping: null"),
        ("model", "{type: linear}", "model:\n  type: mlp\n  units: [64, 32]  # two", "model: {type: linear}  # two"),
        ("metrics.1.name", "area", "{type: auc}", "{type: auc, name: area}"),
        ("metrics.0", "mse", "- accuracy", "- mse"),
        ("loss.type", "mse", "patience_epochs: 3\n", "patience_epochs: 3\n"),
    ],
)
def test_only_the_value_changes(path: str, value: str, before: str, after: str) -> None:
    changed = with_value(TEXT, path.split("."), value)
    if path == "loss.type":  # a new section comes last
        assert changed == TEXT.replace("[32]]}\n", "[32]]}\nloss: {type: mse}\n")
    else:
        assert changed == TEXT.replace(before, after)


def test_an_empty_value_is_filled() -> None:
    assert with_value("training:\nname: a\n", ["training", "epochs"], "3") == "training: {epochs: 3}\nname: a\n"
    assert with_value("{name: a}", ["seed"], "3") == "{name: a, seed: 3}"


@pytest.mark.parametrize("path", ["name.x", "metrics.7", "model.units.x"])
def test_a_path_through_a_value_without_keys_is_an_error(path: str) -> None:
    text = TEXT.replace("name: wine", "name: 3")
    with pytest.raises(EditError):
        with_value(text, path.split("."), "1")


def test_a_section_goes_with_its_comments_and_the_rest_stays() -> None:
    assert without_key(TEXT, "search") == TEXT[: TEXT.index("\n# Looking")]
    assert without_key(TEXT, "training") == TEXT.replace(TEXT[TEXT.index("training:") : TEXT.index("\n# Looking")], "")
    assert without_key(TEXT, "missing") == TEXT
    assert without_key("search: {a: 1}\nname: b\n", "search") == "name: b\n"
    assert without_key("name: b\nsearch: {a: 1}", "search") == "name: b\n"
