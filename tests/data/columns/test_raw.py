"""The model of a table's rows: what reading a file gives, whatever the order of the kinds, in a few operations."""

from pathlib import Path

import numpy as np
import pytest

from dlrun.data.columns import CategoricalColumn, packs
from dlrun.data.table.input import TableInput
from dlrun.spec.parse import read_spec

pytestmark = pytest.mark.tensorflow

SPEC = """\
dataset: {type: table, path: PATH, target: y, validation: 0.2, missing_values: ["", "-999"]}
model: {type: mlp, units: [4]}
loss: binary_crossentropy
"""


def raw_input(folder: Path, header: str, rows: list[str]) -> TableInput:
    (folder / "x.csv").write_text("\n".join([header, *rows]) + "\n")
    (folder / "x.yaml").write_text(SPEC.replace("PATH", str(folder / "x.csv")))
    raw = read_spec(folder / "x.yaml").spec.dataset.load().raw_input()
    assert isinstance(raw, TableInput)
    return raw


def test_it_gives_the_stored_rows_of_a_file(tmp_path: Path) -> None:
    rows = [
        f"{'red' if n % 3 else ''},{n if n % 4 else ''},2024-0{1 + n % 8}-1{n % 9},{n * 1.5},"
        f"{n % 2},{-999 if n % 5 == 0 else n * n},{'yes' if n % 2 else 'no'}"
        for n in range(40)
    ]
    raw = raw_input(tmp_path, "k,a,day,b,two,c,y", rows)
    (block,) = raw.read(str(tmp_path / "x.csv"), at_once=100)
    examples = raw.deployed_several(block, range(40))
    together = {name: np.concatenate([each[name] for each in examples]) for name in examples[0]}
    import tensorflow as tf

    given = {name: tf.constant(value.tolist()) for name, value in together.items()}
    np.testing.assert_array_equal(np.asarray(raw.build()(given, training=False)), block.stored)
    assert dict(raw.deployed(block, 7)) == examples[7]
    # The same with all numbers in one input.
    packed, packs = raw.build_packed()
    for name, members in packs.items():
        given[name] = tf.concat([given.pop(member) for member in members], axis=-1)
    np.testing.assert_array_equal(np.asarray(packed(given, training=False)), block.stored)


def test_its_operations_and_packed_inputs_are_few_however_many_columns_there_are(tmp_path: Path) -> None:
    names = [f"x{n}" for n in range(300)]
    rows = [
        ",".join(str((row + n) % 7 + 0.5) for n in range(300)) + (",yes" if row % 2 else ",no") for row in range(40)
    ]
    raw = raw_input(tmp_path, ",".join([*names, "y"]), rows)
    model = raw.build()
    assert len(model.inputs) == 300
    assert len(model.operations) - len(model.inputs) < 10
    assert len(raw.build_packed()[0].inputs) == 1


def test_packed_categories_share_few_lookups_and_keep_each_column_its_own_ids(tmp_path: Path) -> None:
    width = 60
    # Every column has its categories in another order.
    rows = [
        ",".join("" if (row + n) % 9 == 0 else f"v{(row * (n + 1)) % (2 + n % 5)}" for n in range(width))
        + (f",own{row % 20}" if row % 3 else ",")
        + (",yes" if row % 2 else ",no")
        for row in range(40)
    ]
    raw = raw_input(tmp_path, ",".join([*(f"x{n}" for n in range(width)), "z", "y"]), rows)
    (block,) = raw.read(str(tmp_path / "x.csv"), at_once=100)
    examples = raw.deployed_several(block, range(40))
    given = {name: np.concatenate([each[name] for each in examples]) for name in examples[0]}
    given[list(given)[3]][0, 0] = "own1"  # of another column: unknown here
    import tensorflow as tf

    tensors = {name: tf.constant(value.tolist()) for name, value in given.items()}
    alone = np.asarray(raw.build()(tensors, training=False))
    packed, packs = raw.build_packed()
    assert sum(type(layer).__name__ == "StringLookup" for layer in packed.layers) == 1
    for name, members in packs.items():
        tensors[name] = tf.concat([tensors.pop(member) for member in members], axis=-1)
    np.testing.assert_array_equal(np.asarray(packed(tensors, training=False)), alone)
    assert alone[0, 3] == 0
    np.testing.assert_array_equal(alone[1:], block.stored[1:])


def test_columns_with_many_categories_of_their_own_do_not_share_a_lookup() -> None:
    columns = [CategoricalColumn(f"c{n}", tuple(f"{n} {each}" for each in range(6000))) for n in range(9)]
    found = packs([*columns, CategoricalColumn("few", ("a", "b"))], ("",))
    assert [len(members) for members in found.values()] == [4, 4, 2]
