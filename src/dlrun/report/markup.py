"""Build HTML. Text that is not `Markup` is escaped, so that names from data cannot inject HTML."""

from __future__ import annotations

import base64
import html
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files

_NUMBER = {"class_": "number"}
_LONG = 60
_BREAK = re.compile(r"(?<=[._/])")
"""Positions at which a long name may break into the next line."""


class Markup(str):
    """Text that is already HTML."""

    __slots__ = ()


def document(title: str, body: Iterable[str]) -> str:
    """Return a whole HTML page, whose content security policy forbids loading anything."""
    style = Markup(files("dlrun.report").joinpath("style.css").read_text(encoding="utf-8"))
    # Pictures and sounds are data URLs and the style is in the page, so the policy allows only these.
    head = join(
        (
            Markup('<meta charset="utf-8">'),
            Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            Markup(
                '<meta http-equiv="Content-Security-Policy" '
                "content=\"default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'\">"
            ),
            tag("title", title),
            tag("style", style),
        )
    )
    return "<!doctype html>\n" + tag("html", tag("head", head), tag("body", *body), lang="en") + "\n"


def section(title: str, parts: Iterable[str]) -> Iterator[Markup]:
    """Yield a heading and the parts below it; nothing if all of them are empty.

    Args:
        title: The heading.
        parts: `Markup`, or texts, which become paragraphs.
    """
    written = [part for part in parts if part]
    if written:
        yield tag("h2", title)
        yield from (part if isinstance(part, Markup) else tag("p", part) for part in written)


def tag(name: str, *children: str, **attributes: str) -> Markup:
    """Return an HTML element.

    Args:
        name: Name of the element.
        children: `Markup`, or text, which is escaped.
        attributes: Attributes, whose values are escaped. A trailing underscore is removed from names (`class_`).
    """
    written = "".join(f' {key.rstrip("_")}="{html.escape(value)}"' for key, value in attributes.items())
    return Markup(f"<{name}{written}>{join(children)}</{name}>")


def join(parts: Iterable[str]) -> Markup:
    """Return the parts joined into one, with text escaped."""
    return Markup("".join(part if isinstance(part, Markup) else html.escape(part) for part in parts))


def image(data: bytes, *, kind: str, alt: str, class_: str = "") -> Markup:
    """Return an image that is embedded in the page.

    Args:
        data: Content of the image file.
        kind: `png`, `jpeg` or `svg+xml`.
        alt: Description of the image.
        class_: CSS class of the element.
    """
    source = data_url(data, kind=f"image/{kind}")
    written = f' class="{html.escape(class_)}"' if class_ else ""
    return Markup(f'<img{written} src="{source}" alt="{html.escape(alt)}">')


def player(data: bytes) -> Markup:
    """Return a player of a recording that is embedded in the page.

    Args:
        data: Content of a WAV file.
    """
    return Markup(f'<audio controls preload="none" src="{data_url(data, kind="audio/wav")}"></audio>')


def data_url(data: bytes, *, kind: str) -> str:
    """Return an address that contains a file.

    Args:
        data: Content of the file.
        kind: Its media type: `image/png`, `image/svg+xml`, `audio/wav`.
    """
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, is_stacked: bool = False) -> Markup:
    """Return a table, with numbers aligned to the right.

    Args:
        header: Names of the columns.
        rows: Cells of each row.
        is_stacked: Whether a narrow screen shows each row as a card with its first cell as the title. Otherwise the
            table scrolls horizontally.
    """
    rows = list(rows)
    numeric = [bool(rows) and _is_number(rows[0][column]) for column in range(len(header))]
    heads = (
        tag("th", breakable(cell), **_NUMBER if right else {}) for cell, right in zip(header, numeric, strict=True)
    )
    head = tag("tr", *heads)
    # An attribute cannot contain <wbr>, so a zero-width space marks where its text may break.
    labels = [_BREAK.sub("\u200b", cell) if is_stacked else "" for cell in header]
    body = join(tag("tr", *(_cell(*pair) for pair in zip(row, labels, strict=True))) for row in rows)
    class_ = {"class_": "cards"} if is_stacked else {}
    return tag("div", tag("table", tag("thead", head), tag("tbody", body), **class_), class_="scroll")


def fold(title: str, content: Markup) -> Markup:
    """Return a collapsed section for details that few readers need."""
    return tag("details", tag("summary", title), content) if content else content


def breakable(name: str) -> Markup:
    """Return a name that may break into the next line after a dot, an underscore or a slash."""
    parts = [join((part,)) for part in _BREAK.split(name)]
    return Markup("<wbr>".join(parts))


def number(value: float | None) -> str:
    """Return a number with four significant digits, or `-` if it is undefined."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:,.0f}" if 10_000 <= abs(value) < math.inf else f"{value:.4g}"


def facts(pairs: Iterable[tuple[str, str]]) -> Markup:
    """Return a list of names and texts; pairs without text are omitted."""
    items = (join((tag("dt", breakable(name)), tag("dd", breakable(text)))) for name, text in pairs if text)
    return tag("dl", *items)


def _cell(cell: str, label: str) -> Markup:
    kind = "number" if _is_number(cell) or cell == "-" else "long" if len(_text(cell)) > _LONG and label else ""
    attributes = {"class_": kind} if kind else {}
    return tag("td", cell, **attributes, **({"data-label": label} if label else {}))


def _is_number(cell: str) -> bool:
    try:
        float(_text(cell).replace(",", ""))
    except ValueError:
        return False
    return True


def _text(cell: str) -> str:
    """Return what a cell shows: a number in bold, for example, is markup."""
    return re.sub(r"<[^>]*>", "", cell) if isinstance(cell, Markup) else cell
