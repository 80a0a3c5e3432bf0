"""`dlrun data show` as a person runs it."""

import json
from pathlib import Path

from command_line import started


def test_show_prints_a_page_or_json(folder: Path) -> None:
    page = started("data", "show", "towns.yaml", cwd=folder)
    assert page.returncode == 0, page.stderr
    assert "splits    train 48, validation 12" in page.stdout
    assert "town" in page.stdout
    assert not page.stderr
    done = started("data", "show", "towns.yaml", "--samples", 2, "--set", "dataset.test=0", "--json", cwd=folder)
    assert json.loads(done.stdout)["splits"] == {"train": 48, "validation": 12}
    assert len(json.loads(done.stdout)["examples"]) == 2


def test_a_grid_of_images_needs_images(folder: Path) -> None:
    assert started("data", "show", "towns.yaml", "--images", "grid.png", cwd=folder).returncode == 2
