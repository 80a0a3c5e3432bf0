"""A small spec that is right, for the tests that break it."""

from pathlib import Path

from dlrun.errors import Problem, SpecError
from dlrun.spec.parse import read_spec

# 142 training examples are 15 steps of 10.
SPEC = """\
dataset: {type: builtin, name: wine, validation: 0.2}
model: {type: mlp, units: [4]}
loss: sparse_categorical_crossentropy
metrics: [accuracy]
training: {batch_size: 10, epochs: 4}
"""


def write(tmp_path: Path) -> Path:
    path = tmp_path / "x.yaml"
    path.write_text(SPEC)
    return path


def problems(tmp_path: Path, *overrides: str) -> list[Problem]:
    try:
        read_spec(write(tmp_path), overrides)
    except SpecError as error:
        return list(error.problems)
    return []
