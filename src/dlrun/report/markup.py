"""Text in, HTML out: everything that is not markup already is escaped, so that a name from data stays a name."""

from __future__ import annotations

import base64
import html
import math
import re
from collections.abc import Iterable, Sequence

_NUMBER = {"class_": "number"}
_LONG = 60
_BREAK = re.compile(r"(?<=[._/])")
"""Where a long name may be continued in the next line."""


class Markup(str):
    """Text that is HTML."""

    __slots__ = ()


def tag(name: str, *children: str, **attributes: str) -> Markup:
    """An element.

    Args:
        name: Of the element.
        children: Text, which is escaped, or `Markup`.
        attributes: Their values are escaped; an underscore at the end of a name is left out (`class_`).
    """
    written = "".join(f' {key.rstrip("_")}="{html.escape(value)}"' for key, value in attributes.items())
    return Markup(f"<{name}{written}>{joined(children)}</{name}>")


def joined(parts: Iterable[str]) -> Markup:
    """Parts one after another."""
    return Markup("".join(part if isinstance(part, Markup) else html.escape(part) for part in parts))


def image(data: bytes, *, kind: str, alt: str, class_: str = "") -> Markup:
    """A picture that is part of the page.

    Args:
        data: Its bytes.
        kind: `png` or `svg+xml`.
        alt: What it shows.
        class_: Of the element.
    """
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
    written = f' class="{html.escape(class_)}"' if class_ else ""
    return Markup(f'<img{written} src="{source}" alt="{html.escape(alt)}">')


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, is_stacked: bool = False) -> Markup:
    """Return a table; cells of digits are set to the right.

    Args:
        header: Of the columns.
        rows: Their cells.
        is_stacked: Whether a phone shows each row as a card, its first cell as the title; else the table scrolls
            sideways where the page is narrow.
    """
    rows = list(rows)
    numeric = [bool(rows) and _is_number(rows[0][column]) for column in range(len(header))]
    heads = (
        tag("th", breakable(cell), **_NUMBER if right else {}) for cell, right in zip(header, numeric, strict=True)
    )
    head = tag("tr", *heads)
    labels = [_BREAK.sub("\u200b", cell) if is_stacked else "" for cell in header]
    body = joined(tag("tr", *(_cell(*pair) for pair in zip(row, labels, strict=True))) for row in rows)
    class_ = {"class_": "cards"} if is_stacked else {}
    return tag("div", tag("table", tag("thead", head), tag("tbody", body), **class_), class_="scroll")


def breakable(name: str) -> Markup:
    """Return a name that a line may end in, behind a dot or an underscore."""
    parts = [joined((part,)) for part in _BREAK.split(name)]
    return Markup("<wbr>".join(parts))


def number(value: float | None) -> str:
    """Return four significant digits; `-` of what is undefined."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:,.0f}" if 10_000 <= abs(value) < math.inf else f"{value:.4g}"


def facts(pairs: Iterable[tuple[str, str]]) -> Markup:
    """Names and what is said of each; pairs that say nothing are left out."""
    items = (joined((tag("dt", breakable(name)), tag("dd", breakable(text)))) for name, text in pairs if text)
    return tag("dl", *items)


def _cell(cell: str, label: str) -> Markup:
    kind = "number" if _is_number(cell) or cell == "-" else "long" if len(cell) > _LONG and label else ""
    attributes = {"class_": kind} if kind else {}
    return tag("td", cell, **attributes, **({"data-label": label} if label else {}))


def _is_number(cell: str) -> bool:
    try:
        float(re.sub(r"<[^>]*>", "", cell).replace(",", "") if isinstance(cell, Markup) else cell.replace(",", ""))
    except ValueError:
        return False
    return True
