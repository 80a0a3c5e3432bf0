"""`dlrun components` as a person runs it."""

import json
from pathlib import Path
from typing import Any


def test_components_lists_everything_and_describes_each(dlrun: Any) -> None:
    listed = json.loads(dlrun("components", "--json").out)
    assert {"cnn", "lstm", "sequential"} <= listed["model"].keys()
    assert {"adam", "lion"} <= listed["optimizer"].keys()
    page = dlrun("components", "cnn").out
    assert "blocks: a list" in page
    assert "blocks.filters: a whole number of at least 1 (required)" in page


def test_a_plugin_is_listed(tmp_path: Path, dlrun: Any) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "from dlrun.models import Model, models\n\n\n@models.register('mine')\nclass Mine(Model):\n"
        "    '''My own.'''\n\n    def build(self, features, target): ...\n"
    )
    assert "My own." in dlrun("components", "--plugin", plugin).out
    assert str(plugin) in dlrun("components", "mine", "--plugin", plugin).out


def test_the_sections_with_keys_of_their_own_are_described_too(dlrun: Any) -> None:
    assert "repeats: a whole number of at least 1" in dlrun("components", "folds").out
    assert "batch_size: a whole number of at least 1 (default 32)" in dlrun("components", "training").out
