from pathlib import Path

import pytest

from dlrun.batching.grid import LARGEST_BATCH, combine, parse_seeds
from dlrun.errors import UsageError

A, B = Path("a.yaml"), Path("b.yaml")


def test_every_combination_appears_once_in_the_order_of_the_command_line() -> None:
    runs = combine([A, B], ["training.epochs=2"], ["training.batch_size=32,64", "model.units=[8],[8, 4]"], "2")
    assert len(runs) == len(set(runs)) == 16
    assert [run.config for run in runs] == [A] * 8 + [B] * 8
    assert runs[0].overrides == ("training.epochs=2", "training.batch_size=32", "model.units=[8]", "seed=0")
    assert runs[1].values == (("training.batch_size", "32"), ("model.units", "[8]"), ("seed", "1"))
    assert runs[1].without("seed") == runs[0].without("seed") == runs[0].values[:-1]
    assert dict(runs[15].values) == {"training.batch_size": "64", "model.units": "[8, 4]", "seed": "1"}


def test_without_grids_and_seeds_each_config_is_one_run() -> None:
    assert [(run.config, run.overrides, run.values) for run in combine([A, B], [], [])] == [(A, (), ()), (B, (), ())]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("k=1e-2, 1e-3", ("1e-2", "1e-3")),
        ("k=[1, 2],[3]", ("[1, 2]", "[3]")),
        ("k={type: sgd, momentum: 0.9},adam", ("{type: sgd, momentum: 0.9}", "adam")),
        ("k='a, b',\"c, d\"", ("'a, b'", '"c, d"')),
        ("k=it's,so", ("it's", "so")),
        ("k=null", ("null",)),
    ],
)
def test_a_comma_inside_brackets_or_quotes_belongs_to_its_value(text: str, values: tuple[str, ...]) -> None:
    assert tuple(run.values[0][1] for run in combine([A], [], [text])) == values


@pytest.mark.parametrize(
    ("text", "seeds"), [("3", ("0", "1", "2")), ("1", ("0",)), ("3,7", ("3", "7")), ("3,", ("3",))]
)
def test_seeds_are_counted_from_zero_or_listed(text: str, seeds: tuple[str, ...]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["0", "-1", "x", "3,x", "3,,4", ",", "3,03", "1.5", "²", str(LARGEST_BATCH + 1)])
def test_malformed_seeds_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--seeds"):
        parse_seeds(text)


@pytest.mark.parametrize("text", ["training.epochs", "=1,2", "k=", "k=1,,2", "k=1,"])
def test_a_malformed_grid_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a grid"):
        combine([A], [], [text])


@pytest.mark.parametrize(
    ("overrides", "grids", "seeds"),
    [
        (["training.epochs=2"], ["training.epochs=3,4"], ""),
        (["seed=2"], [], "3"),
        ([], ["seed=1,2"], "3"),
        ([], ["a.b=1", "a.b=2"], ""),
        (["model.units=[8]"], ["model=linear,mlp"], ""),  # which would take the units away
        ([], ["model.units=[8]", "model=linear,mlp"], ""),
    ],
)
def test_a_value_that_another_option_would_replace_is_refused(
    overrides: list[str], grids: list[str], seeds: str
) -> None:
    with pytest.raises(UsageError, match="each key in only one of --set, --grid and --seeds"):
        combine([A], overrides, grids, seeds)


def test_a_later_grid_may_refine_what_an_earlier_one_chose() -> None:
    runs = combine([A], ["optimizer=adam"], ["optimizer.learning_rate=0.1,0.2"])
    assert runs[1].overrides == ("optimizer=adam", "optimizer.learning_rate=0.2")


def test_a_value_given_twice_and_too_many_combinations_are_refused() -> None:
    with pytest.raises(UsageError, match="has 1 twice"):
        combine([A], [], ["k=1,2,1"])
    with pytest.raises(UsageError, match="1,010,000 runs"):
        combine([A], [], [f"k={','.join(map(str, range(1010)))}"], "1000")
