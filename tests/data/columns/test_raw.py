"""The model of a table's rows: what reading a file gives, whatever the order of the kinds, in a few operations."""

from pathlib import Path

import numpy as np
import pytest

from dlrun.data.table_input import TableInput
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
