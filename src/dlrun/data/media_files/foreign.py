"""Say what a file is that is not of the expected kind, by its first bytes."""

from __future__ import annotations

_NAMES = (
    (b"<?xml", "XML"), (b"%PDF", "PDF"), (b"PK\3\4", "a ZIP archive"), (b"\x1f\x8b", "gzip"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself: git lfs pull downloads it"),
)  # fmt: skip


def describe_foreign(start: bytes, *, kind: str) -> str:
    """Return what a file is, as the end of a sentence: `it is PDF`.

    Args:
        start: Its first bytes.
        kind: The expected kind, for a file of unknown content: `image`.
    """
    name = next((name for magic, name in _NAMES if start.startswith(magic)), None)
    if name is not None:
        return f"it is {name}"
    try:
        start.decode("ascii")
    except UnicodeDecodeError:
        return f"it is not in a known {kind} format"
    return "it is text" if start.strip(b"\0") else "it contains only zero bytes"
