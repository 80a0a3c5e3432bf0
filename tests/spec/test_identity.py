import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from dlrun.data.arrays.source import Arrays
from dlrun.runs.record import IdentityRecord
from dlrun.spec import identity
from dlrun.spec.identity import identify
from dlrun.spec.parse import read_spec
from dlrun.spec.trust import Trust

SPEC = """\
dataset: {type: arrays, path: data.npz}
model: {type: mlp, units: [4]}
loss: sparse_categorical_crossentropy
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("data", "moved"):
        np.savez(f"{name}.npz", x=np.zeros((20, 3), np.float32), y=np.arange(20) % 2)
    Path("small.yaml").write_text(SPEC)
    return tmp_path


def of(*overrides: str, config: str = "small.yaml") -> IdentityRecord:
    return identify(read_spec(Path(config), overrides))


def changed(before: IdentityRecord, after: IdentityRecord) -> set[str]:
    return {name for name in ("spec", "code", "data") if getattr(before, name) != getattr(after, name)}


def test_the_form_of_a_spec_does_not_affect_its_identity() -> None:
    Path("other").mkdir()
    Path("other/small.yaml").write_text(
        "# another text\nloss: {type: sparse_categorical_crossentropy}\n"
        "model: {units: [4], type: mlp}\noptimizer: adam\ndataset: {path: data.npz, type: arrays}\n"
    )
    assert changed(of(), of(config="other/small.yaml")) == set()
    assert changed(of(), of("training.epochs=10")) == set()  # the default


@pytest.mark.parametrize(
    ("dataset", "model", "digest"),
    [
        ("{type: table, path: data.csv, target: y}", "{type: linear}", "54c30d1a5fb2959b"),
        ("{type: series, path: data.csv, target: y, history: 5}", "{type: lstm, units: [4]}", "b24fd0627cfd888d"),
        ("{type: text, path: data.csv}", "{type: mlp, units: [4]}", "b7005c2a4956c3eb"),
        ("{type: arrays, path: data.npz}", "{type: cnn, blocks: [{filters: 2, kernel_size: 3}]}", "cb1f8169bdc33033"),
        ("{type: builtin, name: digits}", "{type: gru, units: [4]}", "af240d13af02c7f2"),
        ("{type: builtin, name: digits, augmentation: {flip: both}}", "{type: gru, units: [4]}", "208ddc3edb70afc0"),
    ],
)
def test_a_spec_without_keys_that_were_added_later_has_the_digest_of_earlier_versions(
    dataset: str, model: str, digest: str
) -> None:
    """The digests are those of commit 3e1f781, the last that of 6a19cf3. A key with a default belongs to ADDED_KEYS."""
    Path("small.yaml").write_text(f"dataset: {dataset}\nmodel: {model}\nloss: mean_squared_error\n")
    file = read_spec(Path("small.yaml"), trust=Trust(looks_at_data=False))
    assert identify(file).spec.startswith(digest)


def test_a_key_that_was_added_later_changes_the_identity_if_it_is_used() -> None:
    of_values = ("dataset.task=regression", "loss=huber")
    for added in ("model.linear_shortcut=true", "dataset.target_transform=log1p"):
        assert changed(of(*of_values), of(*of_values, added)) == {"spec"}


@pytest.mark.parametrize("override", ["seed=1", "training.epochs=3", "name=other", "training.precision=float32"])
def test_another_value_is_another_spec(override: str) -> None:
    assert changed(of(), of(override)) == {"spec"}


def test_the_path_of_the_data_is_not_part_of_the_spec_identity_but_of_the_data() -> None:
    assert changed(of(), of("dataset.path=moved.npz")) == {"data"}


def test_a_file_that_was_changed_or_touched_may_be_other_data() -> None:
    before, seen = of(), Path("data.npz").stat()
    assert changed(before, of()) == set()
    os.utime("data.npz", ns=(seen.st_atime_ns, seen.st_mtime_ns + 1))
    assert changed(before, of()) == {"data"}
    os.utime("data.npz", ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert changed(before, of()) == set()
    with Path("data.npz").open("ab") as file:
        file.write(b"more")
    os.utime("data.npz", ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert changed(before, of()) == {"data"}


def test_every_file_of_a_data_folder_affects_the_identity(folder: Path) -> None:
    place = folder / "images"
    (place / "cats").mkdir(parents=True)
    (place / "cats" / "1.png").write_text("1")
    before = identity._of_places((place,))
    assert identity._of_places((place,)) == before
    (place / "cats" / "2.png").write_text("2")
    after = identity._of_places((place,))
    assert len({before, after, identity._of_places((place / "cats",)), identity._of_places((folder / "none",))}) == 4


def test_a_pattern_stands_for_the_matching_files(folder: Path) -> None:
    table = "size,price\n" + "".join(f"{size},{2 * size}\n" for size in range(20))
    for name in ("first", "second"):
        (folder / f"{name}.csv").write_text(table)
    text = SPEC.replace("type: arrays, path: data.npz", "type: table, path: '*.csv', target: price")
    Path("small.yaml").write_text(text.replace("sparse_categorical_crossentropy", "mse"))
    assert read_spec(Path("small.yaml")).spec.dataset.places() == (Path("first.csv"), Path("second.csv"))
    before = of()
    (folder / "third.csv").write_text(table)
    assert changed(before, of()) == {"data"}
    assert Arrays(path="no*").places() == (Path("no*"),)


def test_the_images_that_a_csv_lists_are_its_data(folder: Path) -> None:
    for name in ("a", "b"):
        (folder / f"{name}.png").write_text("not read here")
    (folder / "list.csv").write_text("path,label\na.png,cat\nb.png,dog\n" * 5)
    text = SPEC.replace("type: arrays, path: data.npz", "type: images, path: list.csv")
    (folder / "small.yaml").write_text(text)
    before = of()
    (folder / "a.png").write_text("another")
    assert changed(before, of()) == {"data"}


def test_the_source_of_a_plugin_and_its_repository_affect_the_identity(folder: Path) -> None:
    (folder / "plugin.py").write_text("VALUE = 1\n")
    (folder / "helper.py").write_text("VALUE = 1\n")
    text = SPEC + "plugins: [plugin.py]\n"
    Path("small.yaml").write_text(text)
    alone = of()
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "plugin.py", "helper.py"], check=True)
    subprocess.run([*git, "commit", "-qm", "one"], check=True)
    committed = of()
    assert changed(alone, committed) == {"code"}
    (folder / "helper.py").write_text("VALUE = 2\n")  # the plugin may import it
    edited = of()
    assert changed(committed, edited) == {"code"}
    (folder / "plugin.py").write_text("VALUE = 3\n")
    assert changed(edited, of()) == {"code"}


def test_without_plugins_a_commit_does_not_affect_the_identity() -> None:
    before = of()
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "small.yaml"], check=True)
    subprocess.run([*git, "commit", "-qm", "one"], check=True)
    assert changed(before, of()) == set()


def test_a_change_of_dlrun_affects_the_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    before = of()
    monkeypatch.setattr("dlrun.runs.provenance.machine.versions", lambda: {"dlrun": "9.9"})
    assert changed(before, of()) == {"code"}


def test_a_spec_that_groups_nothing_has_the_identity_of_earlier_versions() -> None:
    assert "evaluation" not in read_spec(Path("small.yaml")).spec.plain()
    assert of("evaluation.by=[]") == of()
