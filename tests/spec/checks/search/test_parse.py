"""The section `search`: what it means, and that each mistake in it is answered at its place, with what to write."""

from pathlib import Path

import pytest

from dlrun.errors import Problem, SpecError
from dlrun.spec.checks.search.fit import objectives_of
from dlrun.spec.parse import SpecFile, parse_given, read_spec
from dlrun.spec.search.space import Categorical, Number, overrides_of

BASE = """\
dataset: {type: builtin, name: wine, validation: 0.2}
model: {type: mlp, units: [32]}
optimizer: {type: adam, learning_rate: 1e-3}
loss: sparse_categorical_crossentropy
metrics: [accuracy]
training: {epochs: 9, batch_size: 32}
"""
SPACE = """\
search:
  space:
    optimizer.learning_rate: {low: 1e-4, high: 1e-1, log: true}
    training.batch_size: {choices: [16, 32, 64]}
    model:
      choices:
        - {type: mlp, units: {choices: [[64], [128, 64]]}, dropout: {low: 0, high: 0.5, step: 0.1}}
        - {type: tabm, units: [{low: 8, high: 16}, 32]}
        - {type: linear}
"""


def read(folder: Path, section: str, *overrides: str, base: str = BASE) -> SpecFile:
    (folder / "x.yaml").write_text(base + section)
    return read_spec(folder / "x.yaml", overrides)


def problems(folder: Path, section: str, *overrides: str, base: str = BASE) -> tuple[Problem, ...]:
    with pytest.raises(SpecError) as raised:
        read(folder, section, *overrides, base=base)
    return raised.value.problems


def test_a_space_has_numbers_choices_and_what_is_below_a_choice(tmp_path: Path) -> None:
    section = read(tmp_path, SPACE).spec.search
    assert section is not None
    assert (section.keys.trials, section.keys.minutes, section.keys.sampler) == (50, None, "tpe")
    rate, batch, model = section.space.parameters
    assert rate == Number("optimizer.learning_rate", "optimizer.learning_rate", 1e-4, 1e-1, log=True)
    assert isinstance(batch, Categorical)
    assert [option.value for option in batch.options] == [16, 32, 64]
    assert isinstance(model, Categorical)
    assert [option.text for option in model.options] == ["mlp", "{type: tabm, units: [_, 32]}", "linear"]
    units, dropout = model.options[0].parameters
    assert (units.name, units.path) == ("model[0].units", "model.units")
    assert dropout == Number("model[0].dropout", "model.dropout", 0.0, 0.5, step=0.1)
    assert model.options[1].parameters == (Number("model[1].units.0", "model.units.0", 8, 16, is_integer=True),)
    assert section.space.size is None


def test_a_point_gives_the_spec_that_a_user_would_write(tmp_path: Path) -> None:
    section = read(tmp_path, SPACE).spec.search
    assert section is not None
    point = {"optimizer.learning_rate": 0.00123457, "training.batch_size": 2, "model": 1, "model[1].units.0": 9}
    overrides = ("search=null", *overrides_of(section.space, point))
    assert overrides[1:] == (
        "optimizer.learning_rate=0.00123457", "training.batch_size=64", "model={type: tabm, units: [9, 32]}",
    )  # fmt: skip
    alone = BASE.replace("{type: mlp, units: [32]}", "{type: tabm, units: [9, 32]}").replace("1e-3", "0.00123457")
    alone = alone.replace("batch_size: 32", "batch_size: 64")
    assert read(tmp_path, SPACE, *overrides).spec == read(tmp_path, "", base=alone).spec


def test_the_section_is_no_part_of_what_is_trained(tmp_path: Path) -> None:
    spec = read(tmp_path, SPACE).spec
    assert "search" not in spec.plain()
    assert spec.plain() == read(tmp_path, "").spec.plain()


def test_the_type_of_the_key_decides_which_numbers_are_whole(tmp_path: Path) -> None:
    space = "search: {space: {training.epochs: {low: 2, high: 9}, model.dropout: {low: 0, high: 0.5}, %s}}\n"
    section = read(tmp_path, space % "model.l2: {low: 0, high: 1}").spec.search
    assert section is not None
    assert [isinstance(each, Number) and each.is_integer for each in section.space.parameters] == [True, False, False]


def test_a_choice_may_be_a_range_itself(tmp_path: Path) -> None:
    section = read(tmp_path, "search: {space: {model.dropout: {choices: [0.0, {low: 0.1, high: 0.5}]}}}\n").spec.search
    assert section is not None
    point = {"model.dropout": 1, "model.dropout[1]": 0.25}
    assert section.space.choose(lambda _: 0.5).keys() == point.keys()
    assert overrides_of(section.space, point) == ("model.dropout=0.25",)


def varying(key: str, axis: str, *more: str) -> str:
    return "".join(
        f"{line}\n" for line in ("search:", "  space:", f"    {key}: {axis}", *(f"  {line}" for line in more))
    )


def ranging(axis: str) -> str:
    return varying("model.dropout", axis)


def choosing(axis: str) -> str:
    return varying("training.batch_size", axis)


def with_key(*more: str) -> str:
    return varying("model.dropout", "{low: 0.1, high: 0.5}", *more)


DECAY = "{low: 0.5, high: 0.9}"
BOTH = f"{DECAY}\n    optimizer: {{choices: [adam, sgd]}}"
TWO = "{choices: [16, 32]}"
HALVED = "halving: {min_epochs: 1}"
MISTAKES = [
    # The keys of the section
    ("search: 3\n", "3", "search is 3", "a group of keys: space, metric"),
    ("search: {trials: 5}\n", "{", "search has no key 'space'", "a group of names"),
    ("search:\n  space: {}\n", "space", "search.space is a group of keys", ""),
    (with_key("sampler: tpee"), "tpee", "search.sampler is 'tpee'", "did you mean 'tpe'?"),
    (with_key("n_trials: 5"), "n_trials", "unknown key 'n_trials' in search", "did you mean 'trials'?"),
    (with_key("trials: 0"), "0", "search.trials is 0", "a whole number of at least 1"),
    (with_key("halving: {min_epoch: 2}"), "min_epoch:", "unknown key 'min_epoch'", "did you mean 'min_epochs'?"),
    # The keys of the space
    (varying("training.batchsize", TWO), "training", "unknown key 'batchsize'", "did you mean 'batch_size'?"),
    (varying("trainning.epochs", TWO), "trainning", "unknown key 'trainning.e", "did you mean 'training.epochs'?"),
    (varying("batch_size", TWO), "batch_size", "unknown key 'batch_size'", "did you mean training.batch_size?"),
    (varying("model.dropuot", DECAY), "model", "unknown key 'dropuot' in model", "did you mean 'dropout'?"),
    (varying("seed", TWO), "seed", "a search does not vary seed", "search.seeds: 3"),
    (varying("dataset.validation", TWO), "dataset", "does not vary dataset.validation", "leaves examples"),
    (varying("dataset.fold", TWO), "dataset", "does not vary dataset.fold", "leaves examples"),
    (varying("training.monitor", TWO), "training", "does not vary training.monitor", "training.batch_size"),
    (varying("training", TWO), "training", "varies a whole section", "training.batch_size"),
    (varying("optimizer.beta_1", BOTH), "optimizer", "optimizer.beta_1 is below optimizer", "inside the"),
    # Ranges
    (ranging("{low: 0.1, high: 0.1}"), "0.1}", "high is 0.1, but low is 0.1", "more than 0.1"),
    (ranging("{low: 0.1, high: 1.5}"), "1.5", "model.dropout is 1.5", "less than 1"),
    (ranging("{low: 0.1, high: 0.5, log: yes}"), "yes", "model.dropout.log is 'yes'", "true or false"),
    (ranging("{low: 0, high: 0.5, log: true}"), "0,", "low is 0, which a logarithmic", "above 0"),
    (ranging("{low: 0.1, high: 0.5, step: 0.15}"), "0.15", "step is 0.15, which does not divide", "high: 0.4"),
    (ranging("{low: 0.1, high: 0.5, step: 0.9}"), "0.9", "more than the range from 0.1 to 0.5", "a smaller step"),
    (ranging("{low: 0.1, high: 0.5, step: 0.1, log: true}"), "0.1, log", "step and log are both set", "one of them"),
    (ranging("{lower: 0.1, high: 0.5}"), "lower:", "unknown key 'lower' in search.space.model", "did you mean 'low'?"),
    (ranging("{min: 0.1, high: 0.5}"), "min:", "unknown key 'min' in search.space.model", "did you mean 'low'?"),
    (ranging("{low: 0.1}"), "{low", "dropout has no key 'high'", "a number"),
    (ranging("0.3"), "0.3", "dropout is 0.3", "low and high, or choices"),
    (varying("model.units.0", "{low: 0.5, high: 8}"), "0.5", "model.units[0] is 0.5", "a whole number"),
    (varying("training.epochs", "{low: 1, high: 9, step: 0.5}"), "0.5}", "epochs takes whole numbers", "whole"),
    (varying("training.shuffle", "{low: 0, high: 1}"), "0,", "training.shuffle is 0", "true or false"),
    # Choices
    (choosing("{choices: [16, 32, 16]}"), "16]", "choices has 16 twice", "each value once"),
    (choosing("{choices: [16, 0]}"), "0]", "training.batch_size is 0", "at least 1"),
    (choosing("{choises: [16, 32]}"), "choises", "unknown key 'choises'", "did you mean 'choices'?"),
    (choosing("{values: [16, 32]}"), "values", "unknown key 'values'", "did you mean 'choices'?"),
    (choosing("[16, 32]"), "[16", "batch_size is [16, 32]", "{choices: [16, 32]}"),
    (choosing("{choices: []}"), "choices", "batch_size.choices is []", "a list"),
    (choosing(f"{{choices: [{', '.join(map(str, range(1, 1002)))}]}}"), "1001", "1,001 choices", "at most 1,000"),
    (choosing("{choices: [16]}"), "space", "the space has a single point", "two or more"),
    (varying("optimizer", "{choices: [adma, sgd]}"), "adma", "unknown optimizer 'adma'", "did you mean 'adam'?"),
    (varying("model.type", "{choices: [mlp, cnn]}"), "cnn", "cannot be 'cnn': unknown key 'units'", "vary the whole"),
    (SPACE.replace("type: tabm", "type: tabn"), "tabn", "unknown model 'tabn'", "did you mean 'tabm'?"),
    (SPACE.replace("128, 64", "128, -64"), "-64", "model.units[1] is -64", "at least 1"),
    (SPACE.replace("dropout", "drop_out"), "drop_out", "unknown key 'drop_out' in model", "did you mean 'dropout'?"),
    (SPACE.replace("step: 0.1", "stpe: 0.1"), "stpe", "in search.space.model.choices[0].dropout", "mean 'step'?"),
    # The rest of the spec
    (with_key("metric: test_accuracy"), "test_a", "nothing is chosen on test data", "did you mean 'val_accuracy'?"),
    (with_key("metric: accuracy"), "accuracy", "there is no score 'accuracy'", "did you mean 'val_accuracy'?"),
    (with_key("metric: [val_loss, val_acuracy]"), "val_ac", "no score 'val_acuracy'", "did you mean 'val_accuracy'?"),
    (with_key("metric: parameters"), "parameters", "without a score of the model", "metric: [val_loss, parameters]"),
    (with_key("metric: [val_loss, val_loss]"), "val_loss]", "search.metric has val_loss twice", "each score once"),
    (with_key("sampler: grid"), "grid", "but model.dropout may be any number", "give model.dropout a step"),
    (with_key("sampler: cmaes"), "cmaes", "cmaes varies at least two numbers", "tpe, random or qmc"),
    (varying("model.dropout", TWO.replace("16, 32", "0, 0.5"), "sampler: cmaes"), "cmaes", "numbers only", "qmc"),
    (with_key("halving: {min_epochs: 9}"), "9", "a whole training has 9", "less than 9"),
    (with_key("metric: [val_loss, parameters]", HALVED), "halving", "halving goes by a single metric", "one metric"),
    (varying("training.epochs", "{low: 2, high: 9}", HALVED), "halving", "varies training.epochs", "a fixed number"),
    (varying("loss", "{choices: [hinge, kl_divergence]}"), "loss", "losses of its", "search.metric: val_accuracy"),
]  # fmt: skip


@pytest.mark.parametrize(("section", "at", "what", "advice"), MISTAKES)
def test_a_mistake_is_the_only_problem_and_is_answered_at_its_place(
    section: str, at: str, what: str, advice: str, tmp_path: Path
) -> None:
    problem, *others = problems(tmp_path, section)
    # Both bounds of a range may be wrong for one reason.
    assert {other.expected for other in others} <= {problem.expected}
    assert len(others) <= 1
    assert what in problem.what
    assert advice in f"{problem.expected} {problem.hint}"
    assert problem.expected
    assert problem.line > BASE.count("\n")
    assert problem.text[problem.column - 1 :].startswith(at)


@pytest.mark.parametrize(
    ("override", "what"),
    [
        ("dataset.validation=0", "a search is judged on the validation split, and there is none"),
        ("training={steps: 100, monitor: val_loss}", "halving counts epochs, but the training is 100 steps long"),
        ("training.monitor=loss", "training.monitor is loss, which is not a validation score"),
        ("folds=3", "folds and search are both set"),
    ],
)
def test_a_spec_that_cannot_be_searched_is_refused(override: str, what: str, tmp_path: Path) -> None:
    assert what in {each.what for each in problems(tmp_path, with_key(HALVED), override)}


def test_all_mistakes_are_reported_at_once_and_once_each(tmp_path: Path) -> None:
    section = SPACE.replace("64]", "0]").replace("1e-1", "1e-5").replace("linear", "liner") + "  sampler: gird\n"
    found = problems(tmp_path, section, base=BASE.replace("epochs", "epocs"))
    assert [each.line for each in found] == [6, 9, 10, 13, 13, 15, 16]
    assert len(set(found)) == len(found)


def test_a_spec_from_python_has_the_same_checks_with_key_paths() -> None:
    given = {
        "dataset": {"type": "builtin", "name": "wine", "validation": 0.2},
        "model": {"type": "mlp", "units": [32]},
        "loss": "sparse_categorical_crossentropy",
        "search": {"space": {"model.dropout": {"low": 0, "high": 1.5}, "model.l1": {"low": 0.5, "high": 0.1}}},
    }
    with pytest.raises(SpecError) as raised:
        parse_given(given)
    assert [each.origin for each in raised.value.problems] == [
        "search.space.model.dropout.high", "search.space.model.l1.high",
    ]  # fmt: skip


def test_objectives_are_those_of_the_section_or_else_the_monitored_score(tmp_path: Path) -> None:
    assert objectives_of(read(tmp_path, with_key()).spec) == (("val_loss", "min"),)
    assert objectives_of(read(tmp_path, with_key(), "training.monitor=val_accuracy").spec) == (("val_accuracy", "max"),)
    several = with_key("metric: [val_accuracy, parameters]")
    assert objectives_of(read(tmp_path, several).spec) == (("val_accuracy", "max"), ("parameters", "min"))


def test_with_minutes_there_is_no_limit_of_trials(tmp_path: Path) -> None:
    section = read(tmp_path, with_key("minutes: 30")).spec.search
    assert section is not None
    assert (section.keys.trials, section.keys.minutes) == (None, 30)


def test_a_space_has_a_limited_number_of_keys(tmp_path: Path) -> None:
    space = ", ".join(f"model.layers.{index}.units: {TWO}" for index in range(201))
    (problem,) = problems(tmp_path, f"search: {{space: {{{space}}}}}\n")
    assert (problem.what, problem.expected) == ("search.space has 201 keys", "at most 200")


def test_an_override_reaches_the_keys_of_a_space(tmp_path: Path) -> None:
    overrides = (
        "search.space.optimizer.learning_rate.low=1e-5",
        "search.space.training.batch_size={choices: [8, 16]}",
        "search.space.training.epochs={low: 2, high: 9}",
    )
    section = read(tmp_path, SPACE, *overrides).spec.search
    assert section is not None
    rate, batch, _, epochs = section.space.parameters
    assert rate == Number("optimizer.learning_rate", "optimizer.learning_rate", 1e-5, 1e-1, log=True)
    assert isinstance(batch, Categorical)
    assert [option.value for option in batch.options] == [8, 16]
    assert epochs == Number("training.epochs", "training.epochs", 2, 9, is_integer=True)
    (problem,) = problems(tmp_path, with_key(), "search.space.model.l1={low: 2, high: 1}")
    assert problem.text.startswith("search.space.model.l1=")
    assert problem.text[problem.column - 1 :] == "1}"
    nested = "    optimizer: {learning_rate: {low: 1, high: 2}}\n"
    assert "search.space has optimizer.learning_rate twice" in {
        each.what for each in problems(tmp_path, SPACE + nested)
    }
