"""Read the pages of the documentation: their code blocks, the marks above them, their commands, links and headings.

An HTML comment directly above a code block is a mark. A reader of the rendered page does not see it:

    <!-- not run: needs a GPU -->           its commands are only parsed, for the reason given
    <!-- exit code 2 -->                    its commands end with this code
    <!-- with: --set training.epochs=2 -->  the test adds this to `train` and `batch`, to save time
    <!-- part of: houses.yaml -->           the YAML is a part of a spec: it is checked inside this one

A first line such as `# houses.yaml` or `# my_model.py` gives a block the name of a file, which later commands use.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "CHANGELOG.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")))
_FENCE = re.compile(r"((?:^<!-- [^\n]* -->\n)*)^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_MARK = re.compile(r"<!-- (not run|exit code|with|part of):? (.*) -->")
_FILE = re.compile(r"# (\S+\.(?:yaml|py))\n")
_RUN_ID = re.compile(r"\d{8}-\d{6}-[\w.-]*-[0-9a-f]{4}")
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]\d+)?")


@dataclass(frozen=True)
class Block:
    """A code block.

    Args:
        page: Its page, relative to the repository.
        line: The line of its fence.
        language: sh, console, yaml, python, text, ...
        text: What stands between the fences.
        marks: The comments above it, by their first words.
    """

    page: str
    line: int
    language: str
    text: str
    marks: dict[str, str]

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def file(self) -> str:
        """The name of the file that the block shows, or nothing."""
        named = _FILE.match(self.text)
        return named[1] if named else ""

    def commands(self) -> Iterator[tuple[list[str], list[str]]]:
        """Each command as its words, with the lines of its output that the page shows."""
        text = self.text.replace("\\\n", " ")
        if self.language == "sh":
            for line in text.splitlines():
                if words := shlex.split(line, comments=True):
                    yield words, []
        elif self.language == "console":
            for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                command, *output = part.splitlines()
                yield shlex.split(command, comments=True), [line for line in output if line.strip()]


def page_text(page: str) -> str:
    return (ROOT / page).read_text()


def blocks(page: str) -> list[Block]:
    """The code blocks of a page, in their order."""
    text = page_text(page)
    found = []
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start(2)) + 1
        found.append(Block(page, line, match[2], match[3], dict(_MARK.findall(match[1]))))
    return found


def prose(page: str) -> str:
    """A page without its code blocks."""
    return _FENCE.sub("", page_text(page))


def links(page: str) -> Iterator[tuple[str, str]]:
    """The path and the anchor of each link to another place of the repository."""
    for target in re.findall(r"\]\((?!https?://)([^)\s]+)\)", prose(page)):
        path, _, anchor = target.partition("#")
        yield path, anchor


def anchors(page: str) -> set[str]:
    """What a link to a heading of the page is called on GitHub."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE):
        words = re.sub(r"[^\w\- ]", "", heading.strip().lower())
        name = base = words.replace(" ", "-")
        count = 0
        while name in found:
            count += 1
            name = f"{base}-{count}"
        found.add(name)
    return found


def inline_commands(page: str) -> Iterator[list[str]]:
    """The commands that stand in the text, between backticks."""
    for code in re.findall(r"`(dlrun [^`]+)`", prose(page)):
        yield shlex.split(code)


def without_figures(line: str) -> str:
    """A line of output without what differs from run to run: numbers, ids of runs, widths of columns."""
    return " ".join(_NUMBER.sub("#", _RUN_ID.sub("RUN", line)).split())


def is_shown(line: str, output: str) -> bool:
    """Whether a command has printed a line that a page shows; `...` stands for anything."""
    wanted = [re.escape(part.strip()) for part in without_figures(line).split("...")]
    pattern = re.compile(".*".join(wanted) or ".*")
    return any(pattern.fullmatch(without_figures(printed)) for printed in output.splitlines()) or wanted == ["", ""]
