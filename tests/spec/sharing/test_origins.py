"""Where the values of a spec come from, and where its mistakes stand, through two levels of bases."""

from pathlib import Path

import pytest

from dlrun.errors import SpecError, UsageError
from dlrun.spec.parse import SpecFile, read_spec
from dlrun.spec.sharing.origins import explain, resolved_text

ROOT = """\
seed: 1
variables: {width: 64}
dataset: {type: builtin, name: digits}
model: {type: mlp, units: ["${width}", "${width // 2}"]}
optimizer: {type: sgd, momentum: 0.9}
loss: sparse_categorical_crossentropy
training: {batch_size: 32, epochs: 5}
"""
MIDDLE = """\
base: root.yaml
training:
  batch_size: 64
"""
TOP = """\
base: [middle.yaml]
variables: {width: 128}
optimizer: adam
metrics: [accuracy]
"""


def write(folder: Path, *, root: str = ROOT, middle: str = MIDDLE, top: str = TOP) -> Path:
    for name, text in (("root", root), ("middle", middle), ("top", top)):
        (folder / f"{name}.yaml").write_text(text)
    return folder / "top.yaml"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SpecFile:
    monkeypatch.chdir(tmp_path)
    write(tmp_path)
    return read_spec(Path("top.yaml"), ("training.epochs=3",))


@pytest.mark.parametrize(
    ("key", "value", "origin"),
    [
        ("training.batch_size", "64", "middle.yaml:3:15, over root.yaml:7"),
        ("training.epochs", "3", "--set, over root.yaml:7"),
        ("training.steps", "null", "default"),
        ("model.units.1", "64", "root.yaml:4:40 (${width // 2})"),
        ("optimizer.type", "adam", "top.yaml:3:12, over root.yaml:5"),
        ("schedule.type", "constant", "default"),
        ("seed", "1", "root.yaml:1:7"),
    ],
)
def test_a_value_is_explained_by_the_place_where_it_stands(file: SpecFile, key: str, value: str, origin: str) -> None:
    (found,) = explain(file, key)
    assert (found.value, found.origin) == (value, origin)


def test_a_group_is_explained_value_by_value(file: SpecFile) -> None:
    found = {each.key: each.value for each in explain(file, "model")}
    assert found["model.units.0"] == "128"
    assert found["model.type"] == "mlp"
    with pytest.raises(UsageError, match=r"did you mean training\.batch_size"):
        explain(file, "training.batchsize")


def test_the_resolved_config_is_the_same_spec_in_one_file(file: SpecFile, tmp_path: Path) -> None:
    text = resolved_text(file)
    assert "batch_size: 64" in text
    assert "# middle.yaml:3:15, over root.yaml:7" in text
    (tmp_path / "one.yaml").write_text("name: top\n" + text)
    again = read_spec(tmp_path / "one.yaml")
    assert again.spec == file.spec
    assert not again.variables.variables


def test_a_type_that_changes_drops_the_keys_of_the_other(file: SpecFile) -> None:
    assert file.spec.optimizer.type_name == "adam"


def test_a_path_in_a_base_starts_from_that_base(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "rows.csv").write_text("a,y\n" + "".join(f"{n % 7 / 3},{n / 7}\n" for n in range(40)))
    (tmp_path / "shared" / "data.yaml").write_text("dataset: {type: table, path: rows.csv, target: y}")
    path = tmp_path / "c.yaml"
    path.write_text("base: shared/data.yaml\nmodel: linear\nloss: mean_squared_error\n")
    assert read_spec(path).spec.dataset.place_keys
    path.write_text("base: shared/data.yaml\ndataset: {path: rows.csv}\nmodel: linear\nloss: mean_squared_error\n")
    with pytest.raises(Exception, match="there is no file or folder"):
        read_spec(path)


MISTAKES = [
    ("root", "seed: 1", "seed: -1", "root.yaml", 1, 7),
    ("root", "name: digits", "name: digit", "root.yaml", 3, 32),
    ("root", "type: mlp", "type: mpl", "root.yaml", 4, 15),
    ("root", "batch_size: 32", "batchsize: 32", "root.yaml", 7, 12),
    ("root", "epochs: 5", "epochs: many", "root.yaml", 7, 36),
    ("root", "loss: sparse_categorical_crossentropy", "loss: cross", "root.yaml", 6, 7),
    ("root", "${width // 2}", "${width // 0}", "root.yaml", 4, 41),
    ("root", "${width // 2}", "${wdth}", "root.yaml", 4, 43),
    ("root", "${width // 2}", "${width / 2}", "root.yaml", 4, 40),
    ("root", "width: 64", "width: 64, depth: 2", "root.yaml", 2, 24),
    ("root", "seed: 1\n", "seed: 1\nseed: 2\n", "root.yaml", 2, 1),
    ("middle", "batch_size: 64", "batch_size: 0", "middle.yaml", 3, 15),
    ("middle", "batch_size: 64", "batch_sise: 64", "middle.yaml", 3, 3),
    ("middle", "batch_size: 64", "batch_size: '${env:NO_SUCH_VARIABLE_HERE}'", "middle.yaml", 3, 16),
    ("middle", "base: root.yaml", "base: rot.yaml", "middle.yaml", 1, 7),
    ("middle", "base: root.yaml", "base: top.yaml", "middle.yaml", 1, 7),
    ("middle", "training:", "folds: 3\ntraning_options:", "middle.yaml", 3, 1),
    ("top", "metrics: [accuracy]", "metrics: [acuracy]", "top.yaml", 4, 11),
    ("top", "optimizer: adam", "optimizer: {learning_rate: fast}", "top.yaml", 3, 28),
    ("top", "width: 128", "width: [1, 2]", "top.yaml", 2, 13),
    ("top", "width: 128", "width: '${env:HOME:-x'", "top.yaml", 2, 21),
    ("top", "metrics: [accuracy]", "model: {filters: 3}", "top.yaml", 4, 9),
]  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: f"{mistake[0]}: {mistake[2][:40]}")
def test_a_mistake_points_into_the_file_where_it_stands(
    tmp_path: Path, mistake: tuple[str, str, str, str, int, int]
) -> None:
    name, old, new, *place = mistake
    texts = {"root": ROOT, "middle": MIDDLE, "top": TOP}
    assert old in texts[name]
    texts[name] = texts[name].replace(old, new)
    with pytest.raises(SpecError) as error:
        read_spec(write(tmp_path, **texts))
    found = [(Path(each.origin).name, each.line, each.column) for each in error.value.problems]
    assert tuple(place) in found, error.value
    # A base that is not there leaves the keys missing that it has.
    assert len(found) == 1 or "base" in new, error.value
