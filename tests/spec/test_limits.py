"""Any file of at most 1 MiB is refused or checked in time that is linear in its size."""

from pathlib import Path

import pytest

from dlrun import names
from dlrun.data.columns import keys
from dlrun.errors import MOST_SHOWN, Problem, SpecError
from dlrun.spec.parse import MAX_METRICS, read_spec
from dlrun.yaml_tree.source import MAX_VALUES

BASE = "dataset: {type: builtin, name: digits}\nmodel: linear\nloss: sparse_categorical_crossentropy\n"


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many letters were compared to find what was meant, name by name."""
    seen: list[int] = []
    real = names.edit_distance

    def counted(first: str, second: str) -> int:
        seen.append(len(first) * len(second))
        return real(first, second)

    monkeypatch.setattr(names, "edit_distance", counted)
    return seen


def problems_of(text: str, folder: Path) -> SpecError:
    (folder / "x.yaml").write_text(text)
    with pytest.raises(SpecError) as caught:
        read_spec(folder / "x.yaml")
    return caught.value


def test_too_many_values_are_refused(tmp_path: Path) -> None:
    error = problems_of(f"{BASE}metrics: [{','.join(['mse'] * MAX_VALUES)}]\n", tmp_path)
    assert f"more than {MAX_VALUES:,} values" in error.problems[-1].what


@pytest.mark.parametrize(
    "section",
    [
        "{keys}",
        "training: {{{flow}}}",
        "model: {{type: cnn, blocks: [{groups}]}}",
        "metrics: [{names}]",
        "model: {{type: mlp, units: [{names}]}}",
    ],
)
def test_the_search_for_intended_names_does_not_grow_with_the_mistakes(
    section: str, tmp_path: Path, compared: list[int]
) -> None:
    names = [f"kernel_sixe{number}" for number in range(900)]
    made = section.format(
        keys="\n".join(f"{name}: 1" for name in names),
        flow=", ".join(f"{name}: 1" for name in names),
        groups=", ".join(f"{{filters: 1, {name}: 1}}" for name in names),
        names=", ".join(names),
    )
    base = BASE.replace("model: linear\n", "") if section.startswith("model") else BASE
    error = problems_of(f"{base}{made}\n", tmp_path)
    assert len(error.problems) >= 500
    assert sum(compared) < 1_000_000


def test_too_many_metrics_are_one_problem(tmp_path: Path) -> None:
    error = problems_of(f"{BASE}metrics: [{', '.join(['accuracy'] * (MAX_METRICS + 1))}]\n", tmp_path)
    assert [problem.what for problem in error.problems] == ["there are 1,001 metrics"]


def test_a_message_shows_the_first_problems_only() -> None:
    error = SpecError([Problem(f"wrong {number}", origin="x.yaml", line=number + 1) for number in range(5000)])
    assert str(error).count("wrong") == MOST_SHOWN
    assert len(error.problems) == 5000


def test_a_message_shows_the_part_of_a_long_line_where_the_mistake_is() -> None:
    text = "a" * 5000 + "HERE" + "b" * 5000
    shown = str(Problem("wrong", origin="x.yaml", line=1, column=5001, text=text)).splitlines()
    assert shown[1][shown[2].index("^") :].startswith("HERE")
    assert len(shown[1]) < 200


def test_misspelled_columns_of_a_wide_table_are_compared_with_few_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compared: list[int]
) -> None:
    monkeypatch.setattr(keys, "_COMPARED", 2000)
    (tmp_path / "t.csv").write_text(",".join(f"c{number}" for number in range(1000)) + "\n" + ",".join("1" * 1000))
    listed = ", ".join(f"xyzzy{number}" for number in range(300))
    dataset = f"dataset: {{type: table, path: {tmp_path / 't.csv'}, target: c0, categorical: [{listed}]}}"
    error = problems_of(f"{dataset}\nmodel: linear\nloss: mean_squared_error\n", tmp_path)
    assert len(error.problems) == 300
    assert len(compared) <= 3000
    assert max(len(problem.expected) for problem in error.problems) < 1000
