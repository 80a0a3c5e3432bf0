"""CONTRIBUTING.md: each of its lists of files is followed in a copy of the sources, and nothing else is touched.

An item of a list names a file. The code blocks below it are what the file gets: all of a new file, or lines of an old
one, after the line that the comment `<!-- after: ... -->` names, else at the end.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from doc_pages import ROOT, anchors, links, page_text

PAGE = "CONTRIBUTING.md"
KINDS = ("architecture", "dataset", "loss", "command")
COPIED = ("src", "tests", "docs", "configs", "pyproject.toml", "Makefile", "README.md", "CHANGELOG.md", PAGE)
_ITEM = re.compile(r"^\d+\. `([^`]+)`: (.*)", re.MULTILINE)
_BLOCK = re.compile(r"(?:^<!-- after: ([^\n]*) -->\n)?^```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def items(kind: str) -> Iterator[tuple[str, str]]:
    """Yield each file of a list with the text from there to the next one."""
    (section,) = re.findall(rf"^## Add an? {kind}\n(.*?)(?=^## |\Z)", page_text(PAGE), re.DOTALL | re.MULTILINE)
    found = list(_ITEM.finditer(section))
    for item, following in zip(found, [*found[1:], None], strict=True):
        yield item[1], section[item.start() : following.start() if following else len(section)]


FILES = {kind: [file for file, _ in items(kind)] for kind in KINDS}


def follow(kind: str, copy: Path) -> None:
    for file, text in items(kind):
        path, blocks = copy / file, _BLOCK.findall(text)
        for line, added in blocks:
            before = path.read_text() if path.exists() else ""
            if line:
                assert before.count(f"\n{line}\n") == 1, (file, line)
                path.write_text(before.replace(f"\n{line}\n", f"\n{line}\n{added}"))
            else:
                path.write_text(before + added)
        if not blocks and file == "CHANGELOG.md":
            path.write_text(path.read_text() + f"- A new {kind}.\n")
        assert blocks or file in {"docs/config.md", "CHANGELOG.md"}, f"{file} has no code block"


def contents(folder: Path) -> dict[str, bytes]:
    paths = [path for name in COPIED for path in ([folder / name] if "." in name else (folder / name).rglob("*"))]
    ignored = {"__pycache__", ".ruff_cache"}
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in paths
        if path.is_file() and not ignored & set(path.parts) and "egg-info" not in str(path)
    }


def in_copy(copy: Path, *command: str) -> str:
    variables = {**os.environ, "PYTHONPATH": str(copy / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=copy, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (command, done.stdout[-3000:], done.stderr[-3000:])
    return done.stdout


@dataclass(frozen=True)
class Followed:
    """A copy of the sources in which all lists were followed, and the files that each of them has changed."""

    folder: Path
    touched: Mapping[str, set[str]]


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Followed:
    copy = tmp_path_factory.mktemp("contributing") / "dlrun"
    copy.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(ROOT / name, copy / name)
    touched, before = dict[str, set[str]](), contents(copy)
    for kind in KINDS:
        follow(kind, copy)
        write_reference(copy)
        after = contents(copy)
        assert before.keys() <= after.keys()
        touched[kind] = {file for file in after if before.get(file) != after[file]}
        before = after
    return Followed(copy, touched)


@pytest.fixture(scope="module")
def copy(followed: Followed) -> Path:
    return followed.folder


def write_reference(copy: Path) -> None:
    """Do as `make docs` does."""
    variables = {**os.environ, "PYTHONPATH": str(copy / "src")}
    subprocess.run([sys.executable, "docs/write_config_reference.py"], cwd=copy, env=variables, check=True)


def test_the_lists_are_read() -> None:
    assert all(len(files) >= 4 for files in FILES.values()), FILES
    assert all(files[-1] == "CHANGELOG.md" for files in FILES.values())


def test_every_link_and_make_target_of_the_page_exists() -> None:
    for path, anchor in links(PAGE):
        assert (ROOT / path).exists(), path
        assert not anchor or anchor in anchors(path or PAGE)
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`make ([a-z]+)", page_text(PAGE)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_nothing_but_the_listed_files_is_touched(followed: Followed) -> None:
    assert followed.touched == {kind: set(files) for kind, files in FILES.items()}


def test_the_commands_know_what_was_added(copy: Path) -> None:
    listed = json.loads(in_copy(copy, "dlrun", "components", "--json"))
    assert "maxout" in listed["model"]
    assert "moons" in listed["dataset"]
    assert "expectile" in listed["loss"]
    assert "no problems" in in_copy(copy, "dlrun", "validate", "configs/digits_maxout.yaml")
    changed = ("--set", "dataset={type: moons}", "--set", "metrics=[]", "--json")
    assert "moons" in in_copy(copy, "dlrun", "validate", "configs/digits_maxout.yaml", *changed)
    schema = in_copy(copy, "dlrun", "schema")
    assert all(f'"{name}"' in schema for name in ("maxout", "moons", "expectile"))
    assert in_copy(copy, "dlrun", "folders").splitlines()[0] == f"runs   {copy / 'runs'}"


def test_the_added_code_is_formatted_and_passes_the_linter(copy: Path) -> None:
    files = [file for files in FILES.values() for file in files if file.endswith(".py") and not (ROOT / file).exists()]
    in_copy(copy, "ruff", "check", "--no-cache", "--quiet", *files)
    in_copy(copy, "ruff", "format", "--no-cache", "--check", "--quiet", *files)


def test_structure_contracts_and_the_new_tests_hold(copy: Path) -> None:
    tests = ("tests/test_structure.py", "tests/test_import_order.py", "tests/test_configs.py", "tests/test_docs.py")
    own = {file for files in FILES.values() for file in files if file.startswith("tests/")}
    own -= {"tests/models/test_contract.py", "tests/cli/test_folders.py"}
    added = "maxout or moons or expectile or folders"
    selected = f"{added} or test_structure or config_reference or the_index_has or every_module"
    pytest_in_copy(copy, "-m", "not tensorflow", *tests, *own, "tests/spec/test_schema.py", "-k", selected)


@pytest.mark.tensorflow
def test_the_contract_of_architectures_the_loss_and_the_command_hold(copy: Path) -> None:
    tests = ("tests/models/test_contract.py", "tests/test_losses.py", "tests/cli/test_folders.py")
    pytest_in_copy(copy, *tests, "-k", "maxout or has_a_case or expectile or folders")


def pytest_in_copy(copy: Path, *arguments: str) -> None:
    in_copy(copy, "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider", *arguments)
