import random
import string
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from dlrun.errors import Problem, SpecError
from dlrun.metrics.metric import directions_of, metrics
from dlrun.spec.parse import SpecFile, read_spec
from dlrun.spec.trust import Trust

GOOD = """\
seed: 1
dataset: {type: builtin, name: digits, validation: 0.1}
model:
  type: cnn
  blocks:
    - {filters: 8, kernel_size: 3, pool_size: 2}
    - filters: 16
      kernel_size: 3
  head_units: [32]
optimizer: {type: adam, learning_rate: 1e-3, clipnorm: 1.0}
schedule: {type: cosine, warmup_epochs: 1}
loss: {type: sparse_categorical_crossentropy}
metrics: [accuracy]
training:
  batch_size: 32
  epochs: 2
  early_stopping: {patience_epochs: 3}
"""


Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_spec(text: str) -> Path:
        path = tmp_path / "x.yaml"
        path.write_text(text)
        return path

    return write_spec


def problems_of(path: Path, *overrides: str) -> tuple[Problem, ...]:
    with pytest.raises(SpecError) as caught:
        read_spec(path, overrides)
    return caught.value.problems


def changed(old: str, new: str) -> str:
    assert GOOD.count(old) == 1, old
    return GOOD.replace(old, new)


def test_a_valid_spec_is_complete_and_reads_back_unchanged(write: Write, tmp_path: Path) -> None:
    spec = read_spec(write(GOOD)).spec
    assert spec.name == "x"
    assert spec.optimizer.plain()["beta_1"] == 0.9
    again = tmp_path / "again.yaml"
    again.write_text(yaml.safe_dump(spec.plain(), sort_keys=False))
    assert read_spec(again).spec == spec


def test_bare_names_are_short_for_a_type(write: Write) -> None:
    text = changed("{type: adam, learning_rate: 1e-3, clipnorm: 1.0}", "sgd")
    spec = read_spec(write(text)).spec
    assert (spec.optimizer.type_name, spec.loss.type_name) == ("sgd", "sparse_categorical_crossentropy")


def test_the_short_names_of_keras_become_the_full_ones(write: Write) -> None:
    text = "dataset: {type: synthetic, task: linear}\nmodel: linear\nloss: mse\nmetrics: [mae]\n"
    spec = read_spec(write(text)).spec
    assert spec.loss.type_name == "mean_squared_error"
    assert spec.metrics[0].type_name == "mean_absolute_error"


def test_five_different_mistakes_are_five_problems_in_the_order_of_the_lines(write: Write) -> None:
    text = """\
dataset: {type: builtin, name: digit}
model:
  type: cnn
  blocks:
    - {filter: 8, kernel_size: 3}
optimizer: {type: adm}
loss: sparse_categorical_crossentropy
training:
  batch_size: 0
  epochs: ten
"""
    found = problems_of(write(text))
    assert [(problem.line, problem.column) for problem in found] == [(1, 32), (5, 8), (6, 19), (9, 15), (10, 11)]
    assert "digits" in found[0].hint + found[0].expected
    assert found[1].hint == "did you mean 'filters'?"
    assert found[2].hint == "did you mean 'adam'?"
    assert found[3].expected == "a whole number of at least 1"
    assert "'ten'" in found[4].what


def test_problems_of_yaml_keys_and_fit_are_reported_together(write: Write) -> None:
    text = """\
dataset: &d {type: builtin, name: digits}
model: {type: mpl, units: [8], units: [9], activation: rleu}
loss: mean_squared_error
metrics: [accuracy, mean_absolute_error]
training: {epochs: 1, steps: 2}
"""
    found = problems_of(write(text), "seed=x")
    assert [problem.line for problem in found] == [1, 2, 2, 2, 3, 4, 5, 1]
    assert found[-1].origin == "--set"


def keys_with_places() -> list[tuple[int, str]]:
    """Every key of GOOD, with its offset in the text."""
    offsets = [token.start_mark.index for token in yaml.scan(GOOD) if isinstance(token, yaml.KeyToken)]
    return [(offset, GOOD[offset : GOOD.index(":", offset)]) for offset in offsets]


@pytest.mark.parametrize("trial", range(150))
def test_a_typo_in_a_key_suggests_the_intended_key(write: Write, trial: int) -> None:
    generator = random.Random(trial)
    offset, key = generator.choice(keys_with_places())
    typo = key
    while typo == key:
        position = generator.randrange(len(key))
        before, letter, after = key[:position], generator.choice(string.ascii_lowercase), key[position + 1 :]
        swapped = key[position : position + 2][::-1]
        added, changed_one = before + letter + key[position:], before + letter + after
        typo = generator.choice([before + after, added, changed_one, before + swapped + after[1:]])
    path = write(GOOD[:offset] + typo + GOOD[offset + len(key) :])
    problems = problems_of(path)
    assert len(problems) == 1, [str(problem) for problem in problems]
    assert problems[0].hint == f"did you mean {key!r}?"
    line = GOOD[:offset].count("\n") + 1
    assert (problems[0].line, problems[0].column) == (line, offset - GOOD.rfind("\n", 0, offset))


@pytest.mark.parametrize(
    ("old", "new", "what", "where"),
    [
        ("  epochs: 2", "  epochs: 2\n  steps: 5", "both set", (17, 10)),
        ("validation: 0.1", "validation: 5000", "held out", (2, 52)),
        ("validation: 0.1", "validation: dev", "no split 'dev'", (2, 52)),
        ("{type: sparse_categorical_crossentropy}", "mean_squared_error", "does not work with the target", (12, 7)),
        ("metrics: [accuracy]", "metrics: [mean_absolute_error]", "does not work with the target", (13, 11)),
        ("metrics: [accuracy]", "metrics: [accuracy, accuracy]", "two scores", (13, 21)),
        ("metrics: [accuracy]", "metrics: accuracy", "metrics is 'accuracy'", (13, 10)),
        ("pool_size: 2", "pool_size: 9", "pool", (6, 47)),
        ("kernel_size: 3\n  head", "kernel_size: 9\n  head", "kernel", (8, 20)),
        ("type: cnn", "type: cn", "unknown model 'cn'", (4, 9)),
        ("{patience_epochs: 3}", "{metric: val_acuracy}", "there is no score 'val_acuracy'", (17, 28)),
        ("training:\n", "training:\n  class_weight: {11: 2.0}\n", "no class '11'", (15, 22)),
        ("seed: 1", "seed: -1", "seed is -1", (1, 7)),
        ("seed: 1", "seed: 1\nname: a/b", "the name 'a/b'", (2, 7)),
    ],
)
def test_misfits_are_found_before_anything_starts(
    write: Write, old: str, new: str, what: str, where: tuple[int, int]
) -> None:
    (problem,) = problems_of(write(changed(old, new)))
    assert what in problem.what
    assert (problem.line, problem.column) == where
    assert problem.expected


def test_a_wrong_type_and_the_keys_below_a_misspelled_section_are_both_reported(write: Write) -> None:
    text = changed("training:\n  batch_size: 32", "trainin:\n  batch_size: many")
    assert ["unknown key" in problem.what for problem in problems_of(write(text))] == [True, False]


def test_a_key_of_another_form_of_a_group_is_unknown_in_this_one(write: Write) -> None:
    model = "{type: mlp, units: [8], numeric_embedding: {type: periodic, bins: 3, scale: 0}}"
    path = write(f"dataset: {{type: synthetic, task: linear}}\nmodel: {model}\nloss: mean_squared_error\n")
    first, second = problems_of(path)
    assert first.what == "unknown key 'bins' in model.numeric_embedding of type periodic"
    assert first.expected == "one of type, frequencies, scale, size, form, lite"
    assert second.what == "model.numeric_embedding.scale is 0"


def test_a_key_that_only_other_types_have_is_explained(write: Write) -> None:
    path = write("dataset: {type: synthetic, task: linear, group: g}\nmodel: linear\nloss: mean_squared_error\n")
    (problem,) = problems_of(path)
    assert problem.what == "unknown key 'group' in dataset, which is of type synthetic, whose examples have no columns"
    assert problem.expected == "a type that has it: audio, images, table, text"
    assert "save the data as a table" in problem.hint
    path = write("dataset: {type: series, path: a.csv, target: y, history: 3, weight: w}\nmodel: linear\nloss: huber\n")
    assert "whose examples are windows of several rows" in problems_of(path)[0].what


def test_a_missing_section_lists_the_choices(write: Write) -> None:
    found = problems_of(write("dataset: {type: builtin, name: digits}\nmodel: linear\n"))
    assert [problem.what for problem in found] == ["the key 'loss' is missing in the spec"]


@pytest.mark.parametrize(
    "text", ["- a\n", "just text\n", "dataset:\nmodel:\nloss:\n", "dataset: 3\nmodel: []\nloss: {}\n"]
)
def test_a_file_of_another_structure_is_a_problem_without_a_traceback(write: Write, text: str) -> None:
    assert problems_of(write(text))


def test_an_override_is_checked_like_the_file_and_points_at_itself(write: Write) -> None:
    found = problems_of(write(GOOD), "training.epochs=many", "optimizer.learnin_rate=1")
    assert [problem.origin for problem in found] == ["--set", "--set"]
    assert {problem.text for problem in found} == {"training.epochs=many", "optimizer.learnin_rate=1"}


def test_overriding_a_dataset_replaces_the_whole_group(write: Write) -> None:
    override = "dataset={type: builtin, name: digits, resize: [28, 28]}"
    spec = read_spec(write(GOOD), (override,)).spec
    assert spec.dataset.plain()["resize"] == [28, 28]


PLUGIN = """
from pydantic import Field
from dlrun.models import Model, head, models

@models.register("tiny_{name}")
class Tiny(Model):
    \"\"\"One hidden layer.\"\"\"

    width: int = Field(8, ge=1, description="Units of the hidden layer.")

    def build(self, features, target):
        import keras

        inputs = keras.Input(features.shape)
        hidden = keras.layers.Dense(self.width, name="hidden")(keras.layers.Flatten(name="flatten")(inputs))
        return keras.Model(inputs, head(hidden, target))
"""


@pytest.mark.parametrize(
    "name",
    ["step", "epoch", "seconds", "examples_per_second", "data_wait", "learning_rate", "loss", "auto", "val_loss",
     "val_anything", "test_accuracy", "train_x"],
)  # fmt: skip
def test_a_score_cannot_have_the_name_of_a_column_or_of_another_score(write: Write, name: str) -> None:
    text = changed("metrics: [accuracy]", f"metrics: [{{type: accuracy, name: {name}}}]")
    (problem,) = problems_of(write(text))
    assert repr(name) in problem.what
    assert "give it another name" in problem.hint
    assert (problem.line, problem.column) == (13, 34)


def test_two_metrics_with_the_same_name_are_reported_at_the_second(write: Write) -> None:
    text = changed("metrics: [accuracy]", "metrics: [accuracy, {type: mean_io_u, name: accuracy}]")
    (problem,) = problems_of(write(text))
    assert (problem.what, problem.line) == ("two scores have the name 'accuracy'", 13)


METRIC_PLUGIN = """
from dlrun.metrics import Metric, MetricInput, metrics

@metrics.register("NAME")
class Own(Metric):
    sees = MetricInput("labels")
    DIRECTION
    def build(self, target): ...
"""


@pytest.mark.parametrize(
    ("name", "direction", "said"),
    [
        ("step", "larger_is_better = True", "a score has the name 'step'"),
        ("own_unsaid", "", "does not define whether a larger or a smaller val_own_unsaid is better"),
        ("own_said", "larger_is_better = False", ""),
    ],
)
def test_a_plugin_metric_follows_the_same_rules(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, direction: str, said: str
) -> None:
    monkeypatch.setattr(metrics, "_entries", dict(metrics._entries))  # other tests count the metrics
    (tmp_path / "own.py").write_text(METRIC_PLUGIN.replace("NAME", name).replace("DIRECTION", direction))
    text = changed("metrics: [accuracy]", f"metrics: [{{type: {name}}}]\nplugins: [own.py]")
    path = write(text.replace("epochs: 2", "epochs: 2\n  monitor: val_" + name.replace("step", "loss")))
    if said:
        assert any(said in problem.what for problem in problems_of(path))
    else:
        assert directions_of(read_spec(path).spec.metrics)[name] == "min"


def plugin_spec(write: Write, tmp_path: Path, name: str, model: str) -> Path:
    (tmp_path / "my_model.py").write_text(PLUGIN.replace("{name}", name))
    data = "dataset: {type: builtin, name: digits}\nloss: sparse_categorical_crossentropy\n"
    return write(f"plugins: [my_model.py]\n{data}model: {model}\n")


def test_a_plugin_is_found_beside_the_spec_and_checked_like_a_built_in(write: Write, tmp_path: Path) -> None:
    file: SpecFile = read_spec(plugin_spec(write, tmp_path, "one", "{type: tiny_one, width: 4}"))
    assert file.spec.model.plain() == {"type": "tiny_one", "width": 4}
    (problem,) = problems_of(plugin_spec(write, tmp_path, "one", "{type: tiny_one, widht: 0}"))[:1]
    assert problem.hint == "did you mean 'width'?"


def test_plugins_are_not_loaded_unless_trusted(write: Write, tmp_path: Path) -> None:
    path = plugin_spec(write, tmp_path, "two", "tiny_two")
    with pytest.raises(SpecError, match="--trust-plugins"):
        read_spec(path, trust=Trust(plugins=False))


@pytest.mark.parametrize(
    ("code", "said"),
    [("1 / 0", ":2 raised ZeroDivisionError"), ("def f(:", "SyntaxError"), ("raise OSError('x')", "OSError: x")],
)
def test_a_failing_plugin_is_reported_with_its_line(write: Write, tmp_path: Path, code: str, said: str) -> None:
    (tmp_path / "bad.py").write_text(f"\n{code}\n")
    found = problems_of(write("plugins: [bad.py]\n" + GOOD))
    assert said in found[0].what
    assert (found[0].line, found[0].column) == (1, 11)


def test_a_plugin_cannot_take_a_built_in_name(write: Write, tmp_path: Path) -> None:
    (tmp_path / "clash.py").write_text(PLUGIN.replace("tiny_{name}", "cnn"))
    found = problems_of(write("plugins: [clash.py]\n" + GOOD))
    assert "clash.py" in found[0].what
    assert "cnn.py" in found[0].what


def test_checking_a_spec_never_imports_tensorflow_or_keras(write: Write) -> None:
    code = (
        "import sys; from pathlib import Path; from dlrun.spec.parse import read_spec; read_spec(Path(sys.argv[1]));"
        "sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras', 'tensorflow_datasets', 'rich')))"
    )
    assert subprocess.run([sys.executable, "-c", code, str(write(GOOD))], check=False).returncode == 0


@pytest.mark.parametrize(
    ("old", "new", "hint"),
    [
        ("learning_rate: 1e-3", "lr: 1e-3", "did you mean 'learning_rate'?"),
        (
            "{type: sparse_categorical_crossentropy}",
            "{type: sparse_categorical_crossentropy, from_logits: true}",
            "dlrun sets it",
        ),
        ("head_units: [32]", "head_units: 32", "[32]"),
        ("learning_rate: 1e-3", "learning_rate: {type: cosine}", "under the key schedule"),
        ("metrics: [accuracy]", "metrics: [acc]", "did you mean 'accuracy'?"),
        ("epochs: 2\n", "epochs: 2\n  device: tpu\n", ""),
    ],
)
def test_the_habits_of_other_tools_get_their_own_hint(write: Write, old: str, new: str, hint: str) -> None:
    (problem,) = problems_of(write(changed(old, new)))
    assert hint in problem.hint


def test_keys_of_the_default_optimizer_need_no_type(write: Write) -> None:
    text = changed("optimizer: {type: adam, learning_rate: 1e-3, clipnorm: 1.0}\n", "")
    spec = read_spec(write(text), ("optimizer.learning_rate=0.5",)).spec
    assert spec.optimizer.plain()["type"] == "adam"
    assert spec.optimizer.learning_rate == 0.5


def test_a_misspelled_argument_of_a_layer_is_located(write: Write) -> None:
    text = """\
dataset: {type: builtin, name: digits}
model:
  type: sequential
  layers:
    - Flatten
    - Dense: {uints: 10}
loss: sparse_categorical_crossentropy
"""
    (problem,) = problems_of(write(text))
    assert (problem.line, problem.column, problem.hint) == (6, 15, "did you mean 'units'?")


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("warmup_epochs: 1", "warmup_epochs: 2", "takes 2"),
        ("validation: 0.1", "validation: train", "no split 'train'"),
        ("  early_stopping", "  class_weight: {0: -1.0}\n  early_stopping", "training.class_weight.0 is -1.0"),
        ("head_units: [32]", "blocks: []", ""),
    ],
)
def test_further_misfits_are_found(write: Write, old: str, new: str, what: str) -> None:
    assert any(what in problem.what for problem in problems_of(write(changed(old, new))))


def test_a_file_name_that_is_not_a_run_name_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "cfg é.yaml"
    path.write_text("seed: 0\ndataset: {type: builtin, name: digits}\nmodel: linear\nloss: mse\n")
    with pytest.raises(SpecError) as caught:
        read_spec(path)
    first = caught.value.problems[0]
    assert (first.line, "after its file" in first.what, first.hint.split(" to ")[0]) == (0, True, "add name: cfg_e")
