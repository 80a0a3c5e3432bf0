"""A key with a schedule takes a name or a group of keys, and only schedules that suit a rate of any meaning."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from dlrun.component import Fields
from dlrun.rate_schedule import RateSchedule, rate_schedule_names, schedule_field
from dlrun.schedules import Constant, FlatCos, Step


class Keys(Fields):
    rate: RateSchedule = schedule_field("constant", "How it changes.")


def test_a_name_is_short_for_a_group_and_is_written_with_all_its_keys() -> None:
    assert Keys().rate == Constant()
    found: Any = [Keys(rate=given) for given in ("flat_cos", {"type": "flat_cos", "flat_fraction": 0.5}, FlatCos())]  # type: ignore[arg-type]
    assert [keys.rate for keys in found] == [FlatCos()] * 3
    assert Keys().model_dump(mode="json") == {"rate": "constant"}
    written = found[0].model_dump(mode="json")
    assert written == {"rate": {"type": "flat_cos", "flat_fraction": 0.5}}
    assert Keys.model_validate(written) == found[0]
    assert Keys.model_validate({"rate": {"type": "step", "every_epochs": 3.0}}).rate == Step(every_epochs=3.0)


@pytest.mark.parametrize(
    ("value", "place", "message"),
    [
        ("flat_coss", (), "cosine, coslog, exponential, flat_cos, one_cycle, step; did you mean 'flat_cos'?"),
        ({"type": "reduce_on_plateau"}, ("type",), "the schedule 'reduce_on_plateau' is for the learning rate only"),
        ({"type": "cosine_decay", "decay_steps": 3}, ("type",), "is for the learning rate only"),
        ({"flat_fraction": 0.5}, (), "a schedule needs a type; choose one of constant, cosine, coslog"),
        (0.5, (), "a schedule needs a type"),
        ({"type": "flat_cos", "flat": 0.5}, ("flat",), "flat_cos has no key 'flat': its keys are flat_fraction"),
        ({"type": "flat_cos", "flat_fraction": 1.0}, ("flat_fraction",), "less than 1"),
    ],
)
def test_a_wrong_schedule_is_refused_at_its_place(value: Any, place: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Keys(rate=value)
    (row,) = caught.value.errors()
    assert row["loc"] == ("rate", *place)
    assert message in row["msg"]


def test_a_wrong_schedule_in_a_spec_is_shown_with_line_and_hint(tmp_path: Path) -> None:
    from dlrun.errors import SpecError
    from dlrun.spec.parse import read_spec

    (tmp_path / "x.yaml").write_text(
        "dataset: {type: builtin, name: wine}\nloss: sparse_categorical_crossentropy\n"
        "model: {type: mlp, units: [4], dropout: 0.1, dropout_schedule: flat_coss}\n"
        "optimizer: {type: adamw, weight_decay_schedule: {type: flat_cos, flat_fractoin: 0.1}}\n"
    )
    with pytest.raises(SpecError) as caught:
        read_spec(tmp_path / "x.yaml")
    found = [(problem.line, problem.column, problem.hint) for problem in caught.value.problems]
    assert found == [(3, 64, "did you mean 'flat_cos'?"), (4, 66, "did you mean 'flat_fraction'?")]


def test_the_schedules_that_suit_any_rate_multiply_it_by_at_most_1() -> None:
    assert rate_schedule_names() == ("constant", "cosine", "coslog", "exponential", "flat_cos", "one_cycle", "step")
