import pytest

from dlrun.errors import Problem
from dlrun.yaml_tree.override import apply_overrides
from dlrun.yaml_tree.source import parse_yaml

TEXT = "model: {type: cnn, blocks: [{filters: 1}, {filters: 2}]}\noptimizer: adam\ntraining: {epochs: 1}\nempty:\n"


def overridden(*overrides: str) -> dict[str, object]:
    root, _ = parse_yaml(TEXT, origin="x.yaml")
    assert not apply_overrides(root, overrides)
    plain: dict[str, object] = root.plain()
    return plain


def problems_of(*overrides: str) -> list[Problem]:
    root, _ = parse_yaml(TEXT, origin="x.yaml")
    return apply_overrides(root, overrides)


def test_a_value_is_read_as_yaml() -> None:
    assert overridden("training.epochs=3")["training"] == {"epochs": 3}
    assert overridden("optimizer={type: sgd, learning_rate: 1e-2}")["optimizer"] == {
        "type": "sgd",
        "learning_rate": 0.01,
    }


def test_a_bare_name_is_expanded() -> None:
    assert overridden("optimizer.learning_rate=0.5")["optimizer"] == {"type": "adam", "learning_rate": 0.5}


def test_missing_and_empty_groups_are_created() -> None:
    assert overridden("new.a.b=1")["new"] == {"a": {"b": 1}}
    assert overridden("empty.a=1")["empty"] == {"a": 1}


def test_a_number_is_the_index_of_a_list_item() -> None:
    changed = overridden("model.blocks.1.filters=9", "model.blocks.2={filters: 3}")["model"]
    assert changed == {"type": "cnn", "blocks": ({"filters": 1}, {"filters": 9}, {"filters": 3})}


def test_a_star_is_every_item_of_a_list() -> None:
    changed = overridden("model.blocks.*.filters=9", "model.blocks.1.filters=5")["model"]
    assert changed == {"type": "cnn", "blocks": ({"filters": 9}, {"filters": 5})}


def test_a_later_override_wins() -> None:
    assert overridden("training.epochs=3", "training.epochs=4")["training"] == {"epochs": 4}


@pytest.mark.parametrize(
    ("override", "column"),
    [
        ("training.epochs", 1),
        ("dataset.path=", 1),
        ("=3", 1),
        ("a..b=3", 1),
        ("training.epochs.x=3", 1),
        ("model.blocks.7=3", 1),
        ("a=[1", 5),
    ],
)
def test_a_malformed_override_is_shown_in_the_message(override: str, column: int) -> None:
    (problem,) = problems_of(override)
    assert (problem.origin, problem.text, problem.column) == ("--set", override, column)


def test_all_malformed_overrides_are_reported() -> None:
    assert len(problems_of("a", "b")) == 2


def test_a_key_with_dots_is_found_before_a_group_is_made() -> None:
    assert overridden("a={b.c: {d: 1}}", "a.b.c.d=2", "a.b.e=3")["a"] == {"b.c": {"d": 2}, "b": {"e": 3}}
    assert overridden("a={b.c: {d: 1}}", "a.b.c=2")["a"] == {"b.c": 2}
