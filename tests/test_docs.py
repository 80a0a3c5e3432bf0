"""README and docs: every command runs, every YAML is a valid spec, every Python example works, every link leads on.

See doc_pages.py for the marks of blocks that are not run as they stand, and example_data.py for the files that the
pages work with. Each page has a folder of its own with that data; two pages run at a time.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from conftest import ForkServer
from dlrun.cli.app import app
from doc_pages import PAGES, ROOT, Block, anchors, blocks, inline_commands, is_shown, links, page_text, prose
from example_data import write_example_data

_COMMANDS: Any = typer.main.get_command(app)
_CHEAPER = ["--set", "training.report=false", "--set", "training.jit=off"]
"""Drawing the report costs as much as a small training, and so does trying XLA; other tests are about both."""
_OF_OTHERS = {"--compile-bytecode", "--help"}
_ALL_BLOCKS = [block for page in PAGES for block in blocks(page)]


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_and_a_heading(page: str) -> None:
    assert not re.search(r"@[A-Z]+@|TODO|TBD", page_text(page))
    for path, anchor in links(page):
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), path
        if anchor:
            assert anchor in anchors(str(target.resolve().relative_to(ROOT))), (path, anchor)


def test_every_page_is_reached_from_the_index() -> None:
    linked = {Path(path).name for path, _ in links("docs/README.md")}
    assert linked >= {Path(page).name for page in PAGES if page.startswith("docs/")} - {"README.md"}


@pytest.mark.parametrize("page", PAGES)
def test_every_make_target_in_the_text_exists(page: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?:`|^)make ([a-z]+)", page_text(page), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("page", PAGES)
def test_every_command_in_the_text_exists_with_its_options(page: str) -> None:
    for words in inline_commands(page):
        if words[1] == "COMMAND":
            continue
        command, rest = _command(words[1:])
        known = {option for parameter in command.params for option in parameter.opts + parameter.secondary_opts}
        for word in rest:
            if word.startswith("-") and word != "-":
                assert word.partition("=")[0] in known | {"--help"}, words


@pytest.mark.parametrize("page", PAGES)
def test_every_option_in_the_text_is_one_of_a_command(page: str) -> None:
    known = {option for command in _every_command(_COMMANDS) for p in command.params for option in p.opts}
    for option in re.findall(r"`[^`]*?(--[a-z][a-z-]+)", re.sub(r"`(?:pip|uv|srun|python|ray)[^`]*`", "", prose(page))):
        assert option in known | _OF_OTHERS, option


def test_the_index_has_every_command() -> None:
    index = page_text("docs/README.md")
    for name, command in _COMMANDS.commands.items():
        for full_name in (f"{name} {below}" for below in command.commands) if hasattr(command, "commands") else (name,):
            assert re.search(rf"`dlrun {full_name}\b", index), full_name


def test_every_block_is_of_a_kind_that_is_checked() -> None:
    for block in _ALL_BLOCKS:
        assert block.language in {"sh", "console", "yaml", "python", "json", "text", "mermaid"}, block.place
        assert "not run" not in block.marks or block.marks["not run"].strip(), f"{block.place} lacks the reason"


def test_the_messages_that_are_explained_are_those_of_the_source() -> None:
    source = " ".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    quoted = re.findall(r'\*\*"([^"]+)"\*\*', page_text("docs/troubleshooting.md"))
    assert quoted
    for message in quoted:
        for part in message.split("..."):
            assert part.strip() in source, message


def test_the_config_reference_is_what_its_script_writes() -> None:
    # In a process of its own: plugins that other tests have loaded are in this one's registries.
    script = str(ROOT / "docs" / "write_config_reference.py")
    code = f"import runpy, sys; sys.stdout.write(runpy.run_path({script!r})['config_reference']())"
    written = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert page_text("docs/config.md") == written, "run: make docs"


def test_the_first_example_of_the_readme_is_a_config_that_ships() -> None:
    first = next(block for block in blocks("README.md") if block.language == "yaml")
    assert yaml.safe_load(first.text) == yaml.safe_load((ROOT / first.file).read_text())


@pytest.mark.parametrize("block", [b for b in _ALL_BLOCKS if "not run" in b.marks], ids=lambda block: block.place)
def test_a_command_that_is_not_run_is_one_that_can_be_parsed(block: Block) -> None:
    for words, _ in block.commands():
        while "=" in words[0]:  # variables of the environment
            words.pop(0)
        if words[0] != "dlrun":
            continue
        command, rest = _command(words[1:])
        # It raises what is wrong with the options and their values.
        command.make_context(command.name, rest)


@pytest.mark.tensorflow
@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)])
def test_what_a_page_shows_works(page: str, outcome: Callable[[str], list[str]]) -> None:
    assert not outcome(page)


def _every_command(command: Any) -> Iterator[Any]:
    yield command
    for below in getattr(command, "commands", {}).values():
        yield from _every_command(below)


def _command(words: list[str]) -> tuple[Any, list[str]]:
    """The command that the words begin with, and what follows."""
    command: Any = _COMMANDS
    rest = list(words)
    while hasattr(command, "commands"):
        # `dlrun search CONFIG` is a command among `dlrun search show` and others.
        is_config = bool(rest) and rest[0] not in command.commands and "CONFIG" in command.commands
        name = "CONFIG" if is_config or not rest else rest.pop(0)
        assert name in command.commands, words
        command = command.commands[name]
    return command, rest


@pytest.fixture(scope="module")
def outcome(
    forked: ForkServer, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Callable[[str], list[str]]]:
    """What went wrong on a page, all of which run from now on, two at a time."""
    data = tmp_path_factory.mktemp("example_data")
    write_example_data(data)
    (data / "configs").symlink_to(ROOT / "configs")
    asked = [item for item in request.session.items if "outcome" in getattr(item, "fixturenames", ())]
    pages: list[str] = [item.callspec.params["page"] for item in asked]  # type: ignore[attr-defined]
    with ThreadPoolExecutor(2) as threads:
        running: dict[str, Future[list[str]]] = {
            # The pages with the most commands first, so that none of them is the last and alone.
            page: threads.submit(_Page(forked, tmp_path_factory.mktemp("page") / "work", data).run, page)
            for page in sorted(pages, key=lambda page: -len(blocks(page)))
        }
        yield lambda page: running[page].result()


@dataclass(frozen=True)
class _Page:
    """Runs what a page shows, in its order and in a folder of its own."""

    forked: ForkServer
    folder: Path
    data: Path

    def run(self, page: str) -> list[str]:
        shutil.copytree(self.data, self.folder, symlinks=True)
        wrong, script = list[str](), ""
        for block in blocks(page):
            if block.language == "python" and "not run" not in block.marks:
                if block.file:
                    (self.folder / block.file).write_text(block.text)
                else:
                    script += block.text  # later blocks use what earlier ones have made
            elif block.language == "yaml":
                wrong += self._check_yaml(block)
            elif "not run" not in block.marks:
                for words, shown in block.commands():
                    wrong += self._run_command(block, words, shown)
        if script:
            (self.folder / "page.py").write_text(script)
            ended = self.forked.run(folder=self.folder, script=self.folder / "page.py")
            if ended.code:
                wrong.append(f"{page}: its Python ends with {ended.code}: {ended.err[-2000:]}")
        return wrong

    def _run_command(self, block: Block, words: list[str], shown: list[str]) -> list[str]:
        what = f"{block.place}: {' '.join(words)}"
        streams = {}
        while len(words) > 2 and words[-2] in {"<", ">"}:
            *words, sign, file = words
            streams["<>".index(sign)] = str(self.folder / file)
        if words[0] == "python":
            ended = self.forked.run(*words[2:], folder=self.folder, script=self.folder / words[1])
        elif words[0] == "dlrun":
            if words[1] in {"train", "batch"} or (words[1:2] == ["search"] and words[2].endswith(".yaml")):
                is_drawn = shown and words[1] == "train"
                words = words + block.marks.get("with", "").split() + ([] if is_drawn else _CHEAPER)
            ended = self.forked.run(*words[1:], folder=self.folder, streams=streams, COLUMNS="160")
        else:
            return [f"{what}: neither dlrun nor python, and not marked as not run"]
        if ended.code != int(block.marks.get("exit code", 0)):
            return [f"{what} ends with {ended.code}: {ended.err[-2000:]}"]
        output = ended.out + "\n" + ended.err
        return [f"{what} does not print: {line}" for line in shown if not is_shown(line, output)]

    def _check_yaml(self, block: Block) -> list[str]:
        path = self.folder / (block.file or f"snippet_{block.line}.yaml")
        if (ROOT / block.file).is_file():
            same = yaml.safe_load(block.text) == yaml.safe_load(path.read_text())
            return [] if same else [f"{block.place} differs from {block.file}"]
        text = block.text
        if "part of" in block.marks:
            whole = yaml.safe_load((self.folder / block.marks["part of"]).read_text())
            text = yaml.safe_dump(_with(whole, yaml.safe_load(text)))
        path.write_text(text)
        if "not run" in block.marks:
            return []
        ended = self.forked.run("validate", path.name, folder=self.folder)
        expected = int(block.marks.get("exit code", 0))
        return [] if ended.code == expected else [f"{block.place} ends with {ended.code}: {ended.err}"]


def _with(whole: Any, part: Mapping[str, Any]) -> dict[str, Any]:
    """A spec with a part of it changed; a group with a `type` replaces the one that is there."""
    merged = dict(whole)
    for key, value in part.items():
        before = merged.get(key)
        is_group = isinstance(value, dict) and isinstance(before, dict) and "type" not in value
        merged[key] = _with(before, value) if is_group else value
    return merged
