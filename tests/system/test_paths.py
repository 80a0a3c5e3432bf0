"""Paths in a spec are looked up in two places, and missing ones have clear errors."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dlrun.data.files.encoding import detect_encoding
from dlrun.data.files.locate import find_tables
from dlrun.data.files.npz import NpzFile
from dlrun.data.text.files import files_of
from dlrun.data.text.rows import TextReading
from dlrun.errors import DataError, SpecError
from dlrun.spec.parse import read_spec
from dlrun.spec.stored import read_stored_spec
from dlrun.system.paths import absent, locate, near_path

ROWS = "size,label\n" + "".join(f"{row % 9}.{row},{'xy'[row % 2]}\n" for row in range(40))
CONFIG = """\
dataset: {{type: table, path: {path}, target: label}}
model: {{type: mlp, units: [4]}}
optimizer: adam
loss: binary_crossentropy
{more}"""


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The working directory, and a separate folder with a config."""
    work, configs = tmp_path / "work", tmp_path / "configs"
    work.mkdir()
    configs.mkdir()
    monkeypatch.chdir(work)
    return work, configs


def config(folder: Path, path: str, more: str = "") -> Path:
    written = folder / "c.yaml"
    written.write_text(CONFIG.format(path=path, more=more))
    return written


def test_data_in_the_configs_folder_is_found_from_another_folder_with_a_note(folders: tuple[Path, Path]) -> None:
    _, configs = folders
    (configs / "rows.csv").write_text(ROWS)
    file = read_spec(config(configs, "rows.csv"))
    assert Path(file.spec.dataset.plain()["path"]) == configs / "rows.csv"
    assert [note for note in file.notes if "from the config's folder" in note]
    assert read_spec(config(configs, "'*.csv'")).notes


def test_the_working_directory_comes_first_with_a_note_about_another_file(
    folders: tuple[Path, Path],
) -> None:
    work, configs = folders
    for folder in folders:
        (folder / "rows.csv").write_text(ROWS)
    file = read_spec(config(configs, "rows.csv"))
    assert file.spec.dataset.plain()["path"] == "rows.csv"
    assert "is taken from the working directory" in file.notes[0]
    assert locate("rows.csv", beside=work).note == ""  # type: ignore[union-attr]  # it is there


def test_a_typo_in_a_path_suggests_the_nearest_file_before_anything_is_created(folders: tuple[Path, Path]) -> None:
    _, configs = folders
    (configs / "titanic.csv").write_text(ROWS)
    with pytest.raises(DataError) as caught:
        read_spec(config(configs, "titanc.csv"))
    assert caught.value.hint == f"did you mean {configs / 'titanic.csv'}?"
    assert caught.value.what.startswith("dataset.path: there is no file or folder titanc.csv in ")
    with pytest.raises(DataError, match=r"dataset\.test_path: there is no file") as caught:
        read_spec(config(configs, "titanic.csv"), ("dataset.test_path=titanic.cvs",))
    with pytest.raises(SpecError):  # what is wrong with the spec comes first
        read_spec(config(configs, "titanc.csv"), ("loss=nothing",))


def test_a_typo_in_the_name_of_the_config_suggests_the_nearest_one(folders: tuple[Path, Path]) -> None:
    _, configs = folders
    written = config(configs, "rows.csv")
    with pytest.raises(SpecError, match="did you mean") as caught:
        read_spec(configs / "c.yml")
    assert caught.value.problems[0].hint == f"did you mean {written}?"


def test_a_typo_in_a_folder_of_a_path_suggests_the_nearest_one(tmp_path: Path) -> None:
    (tmp_path / "images" / "cats").mkdir(parents=True)
    assert near_path("imagse/cats", within=tmp_path) == str(tmp_path / "images" / "cats")
    assert near_path("elsewhere/cats", within=tmp_path) == ""
    assert "did you mean" in absent("dataset.path", str(tmp_path / "image"), beside=tmp_path).hint


def test_damaged_data_is_reported_when_the_spec_is_read(folders: tuple[Path, Path]) -> None:
    _, configs = folders
    (configs / "rows.csv").write_bytes(b"PK\x03\x04" + bytes(40))
    with pytest.raises(DataError, match="a damaged zip archive or Excel workbook"):
        read_spec(config(configs, "rows.csv"))
    (configs / "rows.csv").unlink()
    (configs / "rows.csv").mkdir()
    with pytest.raises(DataError, match="is a folder"):
        read_spec(config(configs, "rows.csv"))


def test_a_plugin_is_found_by_the_same_rule_as_data_unless_there_are_two(folders: tuple[Path, Path]) -> None:
    work, configs = folders
    (configs / "rows.csv").write_text(ROWS)
    asked = config(configs, "rows.csv", "plugins: [own.py]\n")
    (work / "own.py").write_text("LOADED = 1\n")
    assert read_spec(asked).spec.plugins == (str(work / "own.py"),)
    (configs / "own.py").write_text("LOADED = 2\n")
    with pytest.raises(SpecError, match="there are two different plugin files"):
        read_spec(asked)
    (work / "own.py").rename(work / "owm.py")
    assert read_spec(asked).spec.plugins == (str(configs / "own.py"),)
    (configs / "own.py").unlink()
    with pytest.raises(SpecError, match=r"did you mean owm\.py"):
        read_spec(asked)


def test_a_run_uses_its_own_copy_of_a_plugin_and_not_one_in_the_working_directory(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    from dlrun.experiment.record import create_folder

    work, configs = folders
    (configs / "rows.csv").write_text(ROWS)
    (configs / "own.py").write_text("LOADED = 3\n")
    run = create_folder(read_spec(config(configs, "rows.csv", "plugins: [own.py]\n")), tmp_path / "runs")
    (work / "plugins").mkdir()
    (work / "plugins" / "own.py").write_text("raise RuntimeError('not this one')\n")
    spec = read_stored_spec(run, trust_plugins=True).spec
    assert spec.plugins == (str(run.plugins / "own.py"),)
    assert spec.dataset.plain()["path"] == str(configs / "rows.csv")  # found from any working directory


def test_the_error_for_a_missing_file_suggests_the_nearest_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reviews.csv").write_text("text,label\na,b\n")
    opened: tuple[tuple[Callable[[str], object], str], ...] = (
        (find_tables, "review.csv"),
        (lambda path: files_of(path, TextReading()), "reviws.csv"),
        (lambda path: NpzFile.open(Path(path)), "revews.csv"),
        (detect_encoding, "reviewss.csv"),
    )
    for read, path in opened:
        with pytest.raises(DataError) as caught:
            read(path)
        assert caught.value.hint == "did you mean reviews.csv?"
    with pytest.raises(DataError) as caught:
        files_of("what a film", TextReading())
    assert "echo 'what a film' | dlrun predict" in caught.value.hint
