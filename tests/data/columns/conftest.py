"""A file to read, for the tests of columns."""

from pathlib import Path

import pytest

from column_tables import Write


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write text, or bytes, to a file and give its path."""

    def write_file(content: str | bytes, name: str = "table.csv", encoding: str = "utf-8") -> str:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return str(path)

    return write_file
