"""A plugin file is run once, from its source."""

from pathlib import Path

import pytest

from dlrun.errors import SpecError
from dlrun.plugins import find_plugin, load_plugin


def test_a_plugin_beside_the_spec_is_found_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").touch()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert Path(find_plugin("mine.py", beside=tmp_path).path) == tmp_path / "mine.py"
    with pytest.raises(SpecError, match=r"did you mean .*mine\.py"):
        find_plugin("mime.py", beside=tmp_path)


def test_the_same_content_is_run_once(tmp_path: Path) -> None:
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(
            f"from pathlib import Path\nPath({str(tmp_path / 'ran')!r}).open('a').write('x')\n"
        )
        load_plugin(Path(name), beside=tmp_path)
    assert (tmp_path / "ran").read_text() == "x"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\nx.nothing\n", r"mine\.py:2 raised AttributeError"),
        ("def f(:\n", r"mine\.py:1 raised SyntaxError"),
        ("import sys\nsys.exit(3)\n", r"mine\.py:2 raised SystemExit: 3"),
    ],
)
def test_what_a_plugin_raises_is_a_mistake_with_its_line(source: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(source)
    with pytest.raises(SpecError, match=message):
        load_plugin(tmp_path / "mine.py")


def test_another_file_is_not_a_plugin(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x = 1\n")
    with pytest.raises(SpecError, match="not a Python file"):
        load_plugin(tmp_path / "mine.txt")
