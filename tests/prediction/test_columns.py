from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest

from dlrun.errors import UsageError
from dlrun.prediction.columns import layout_of
from dlrun.prediction.formats import FORMATS
from dlrun.prediction.output import write_predictions
from dlrun.prediction.predict import PredictionBatch, Predictions
from dlrun.signature import Features, Target

CLASSES = Target("classes", 3, ("cat", "dog", "owl"))
P = np.array([[0.1, 0.7, 0.2], [0.4, 0.2, 0.4], [np.nan, 0.5, 0.5]], np.float32)


def names_and_cells(target: Target, outputs: npt.NDArray[Any], top: Any = None) -> dict[str, list[Any]]:
    layout = layout_of(target, top=top)
    cells = [column.tolist() if isinstance(column, np.ndarray) else list(column) for column in layout.cells(outputs)]
    return {column.name: cell for column, cell in zip(layout.columns, cells, strict=True)}


def test_the_most_probable_class_has_a_probability_and_the_first_wins_a_tie() -> None:
    found = names_and_cells(CLASSES, P)
    assert found["label"] == ["dog", "cat", ""]  # what is not finite has no label
    assert found["probability"][:2] == pytest.approx([0.7, 0.4])
    assert np.isnan(np.array(found["probability"], float)[2])


def test_several_classes_are_named_in_order_and_at_most_all() -> None:
    for top in (3, 9):
        found = names_and_cells(CLASSES, P[:2], top)
        assert list(found) == ["label", "probability", "label_2", "probability_2", "label_3", "probability_3"]
        assert (found["label"], found["label_2"], found["label_3"]) == (["dog", "cat"], ["owl", "owl"], ["cat", "dog"])
        assert found["probability_2"] == pytest.approx([0.2, 0.4])


def test_all_adds_a_column_for_each_class_in_order() -> None:
    found = names_and_cells(CLASSES, P[:1], "all")
    assert list(found) == ["label", "probability", "probability_cat", "probability_dog", "probability_owl"]
    assert [found[f"probability_{name}"][0] for name in CLASSES.class_names] == pytest.approx([0.1, 0.7, 0.2])


def test_labels_values_and_reconstructions_have_a_column_each() -> None:
    two = np.array([[0.25, 0.5]], np.float32)
    assert names_and_cells(Target("labels", 2, ("wet", "cold")), two) == {
        "probability_wet": [0.25],
        "probability_cold": [0.5],
    }
    assert names_and_cells(Target("values", 2, names=("price", "area")), two) == {"price": [0.25], "area": [0.5]}
    assert names_and_cells(Target("values", 1), two[:, :1]) == {"value": [0.25]}
    assert list(names_and_cells(Target("values", 2, names=("name", "b")), two)) == ["predicted_name", "predicted_b"]
    inputs = Target.of_input(Features("vector", (4,)))
    assert names_and_cells(inputs, np.array([0.5], np.float32)) == {"reconstruction_error": [0.5]}


def test_values_far_from_0_have_digits_relative_to_their_spread(tmp_path: Path) -> None:
    far = Target("values", 2, names=("time", "area"), mean=(1.7e9, -20.0), scale=(3.0, 5.0))
    assert far.needs_float64
    assert not Target("values", 1, mean=(3e5,), scale=(1e5,)).needs_float64
    layout = layout_of(far, top=None)
    cells = tuple(layout.cells(np.array([[1.7e9 + 1.23456789, -24.5587273], [1.7e9, np.nan]])))
    assert cells[0].tolist() == [1_700_000_001.234568, 1_700_000_000]  # type: ignore[union-attr]
    columns = tuple(layout.columns)
    for name in ("p.csv", "p.jsonl", "p.parquet"):
        write_predictions(
            Predictions(columns, iter([PredictionBatch(cells)])), tmp_path / name, kind=FORMATS[Path(name).suffix]
        )
    assert (tmp_path / "p.csv").read_text() == "time,area\n1700000001.234568,-24.558727\n1700000000.0,\n"
    assert '{"time": 1700000001.234568, "area": -24.558727}' in (tmp_path / "p.jsonl").read_text()
    assert pq.read_table(tmp_path / "p.parquet").column("time")[0].as_py() == 1_700_000_001.234568


def test_class_columns_have_a_label_and_a_probability_each() -> None:
    outputs = np.array([[0.1, 0.7, 0.2, 0.6, 0.4]], np.float32)
    target = Target.of_columns({"kind": ("cat", "dog", "owl"), "wet": ("no", "yes")})
    found = names_and_cells(target, outputs)
    assert [*found] == ["kind", "probability_kind", "wet", "probability_wet"]
    assert (found["kind"], found["wet"]) == (["dog"], ["no"])
    assert [found["probability_kind"][0], found["probability_wet"][0]] == pytest.approx([0.7, 0.6])
    two = names_and_cells(target, outputs, 9)
    assert (two["kind_3"], two["wet_2"]) == (["cat"], ["yes"])
    assert two["probability_kind_3"] == pytest.approx([0.1])
    every = names_and_cells(target, outputs, "all")
    assert [*every][2:5] == ["probability_kind=cat", "probability_kind=dog", "probability_kind=owl"]
    assert every["probability_wet=yes"] == pytest.approx([0.4])
    named = names_and_cells(Target.of_columns({"name": ("a", "b"), "b": ("c", "d")}), outputs[:, :4])
    assert [*named] == ["predicted_name", "probability_predicted_name", "predicted_b", "probability_predicted_b"]
    odd = Target.of_columns({"a": ("b=c", "d"), "a=b": ("c", "e")})
    assert [*names_and_cells(odd, outputs[:, :4], "all")][2:4] == ["probability_a: b=c", "probability_a: d"]
    assert [part.target.class_names for part in odd.parts] == [("b=c", "d"), ("c", "e")]
    probable = Target.of_columns({"a": ("b", "c"), "probability_a": ("d", "e")})
    assert len(names_and_cells(probable, outputs[:, :4])) == 4


@pytest.mark.parametrize("target", [Target("values", 1), Target("labels", 2), Target("input", 4)])
def test_top_is_only_for_classes(target: Target) -> None:
    with pytest.raises(UsageError, match="--top 2"):
        layout_of(target, top=2)
