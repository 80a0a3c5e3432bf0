"""Files that a config is based on: which are read, in which order they win, and what can be wrong with them."""

from pathlib import Path

import pytest

from dlrun.errors import SpecError
from dlrun.yaml_tree.composition.bases import MOST_FILES, Composition, Reach, compose, kept_name, read_composed
from dlrun.yaml_tree.given import document_of


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder / "c.yaml"


def whats(composition: Composition) -> list[str]:
    return [problem.what for problem in composition.problems]


def test_later_bases_win_and_the_config_wins_over_all(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        root="a: 0\nb: 0\nc: 0\nd: 0",
        first="base: root.yaml\nb: 1\nc: 1\nd: 1",
        second="c: 2\nd: 2",
        c="base: [first.yaml, second.yaml]\nd: 3",
    )
    found = read_composed(path)
    assert not found.problems
    assert found.root.plain() == {"a": 0, "b": 1, "c": 2, "d": 3}
    assert [file.path.name for file in found.files] == ["c.yaml", "first.yaml", "root.yaml", "second.yaml"]


def test_a_base_is_relative_to_the_file_that_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "parts" / "more").mkdir(parents=True)
    write(tmp_path / "parts" / "more", deep="a: 1")
    write(tmp_path / "parts", part="base: more/deep.yaml")
    path = write(tmp_path, c="base: parts/part.yaml")
    assert read_composed(path).root.plain() == {"a": 1}
    monkeypatch.chdir(tmp_path / "parts")
    assert read_composed(Path("../c.yaml")).files[1].path == Path("../parts/part.yaml")
    assert compose(document_of({"base": "part.yaml"})[0], beside=Path()).root.plain() == {"a": 1}


def test_a_file_in_two_bases_is_no_circle_and_its_problems_are_told_once(tmp_path: Path) -> None:
    path = write(
        tmp_path, root="a: 1\na: 2", left="base: root.yaml", right="base: root.yaml", c="base: [left.yaml, right.yaml]"
    )
    found = read_composed(path)
    assert whats(found) == ["the key 'a' is repeated"]
    assert found.problems[0].origin.endswith("root.yaml")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("base: c.yaml", "in a circle"),
        ("base: back.yaml", "in a circle"),
        ("base: comon.yaml", "cannot read the config"),
        ("base: [common.yaml, 3]", "base is 3"),
        ("base: {file: common.yaml}", "base is {'file'"),
        ("base: '${x}.yaml'", "base is '${x}.yaml'"),
        ("base: list.yaml", "not a group of keys"),
        ("base: .", "a folder, not a config"),
    ],
)
def test_a_wrong_base_is_told_where_it_is_named(tmp_path: Path, text: str, what: str) -> None:
    path = write(tmp_path, c=text, common="a: 1", back="base: c.yaml", list="[1, 2]")
    (problem,) = read_composed(path).problems
    assert what in problem.what
    assert problem.line == 1
    assert problem.column > 6
    if "comon" in text:
        assert "common.yaml" in problem.hint


def test_a_base_that_is_not_yaml_is_an_error_in_that_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as error:
        read_composed(write(tmp_path, c="base: bad.yaml", bad="a: [1"))
    assert error.value.problems[0].origin.endswith("bad.yaml")


def test_there_is_a_limit_to_the_number_of_files(tmp_path: Path) -> None:
    for number in range(MOST_FILES + 2):
        write(tmp_path, **{f"b{number}": f"base: b{number + 1}.yaml"})
    with pytest.raises(SpecError, match="more than"):
        read_composed(write(tmp_path, c="base: b0.yaml"))


def test_a_config_from_elsewhere_reads_no_base_outside_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    write(tmp_path, secret="a: 1")
    (folder / "link.yaml").symlink_to(tmp_path / "secret.yaml")
    write(folder, inner="b: 2")
    path = write(folder, c=f"base: [../secret.yaml, {tmp_path}/secret.yaml, link.yaml, inner.yaml]")
    found = read_composed(path, reach=Reach(within=folder))
    assert len(whats(found)) == 3
    assert found.root.plain() == {"b": 2}
    assert [file.path.name for file in found.files] == ["c.yaml", "inner.yaml"]


def test_the_copy_of_a_config_takes_the_copies_of_its_bases(tmp_path: Path) -> None:
    path = write(tmp_path, root="a: 1", left="base: root.yaml", right="base: root.yaml\nb: 2",
                 c="base: [left.yaml, right.yaml]")  # fmt: skip
    found = read_composed(path)
    run = tmp_path / "run"
    (run / "bases").mkdir(parents=True)
    (run / "config.yaml").write_bytes(found.files[0].content)
    for number, file in enumerate(found.files[1:], start=1):
        (run / "bases" / kept_name(number, str(file.path))).write_bytes(file.content)
    for name in ("root", "left", "right", "c"):
        (tmp_path / f"{name}.yaml").unlink()
    again = read_composed(run / "config.yaml", reach=Reach(kept=run / "bases"))
    assert not again.problems
    assert again.root.plain() == {"a": 1, "b": 2}
