"""A folder with a table, and a config that `init` wrote for it."""

from pathlib import Path

import pytest

from command_line import started

CSV = "size,town,label\n" + "".join(f"{row % 9}.{row},{'ab'[row % 2]},{'xy'[row // 3 % 2]}\n" for row in range(60))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "towns.csv").write_text(CSV)
    done = started("init", "--data", "towns.csv", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "wrote towns.yaml; train it with: dlrun train towns.yaml\n"
    assert "target: label, chosen by its name (--target for another)" in done.stderr
    return folder
