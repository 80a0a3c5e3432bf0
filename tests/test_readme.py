"""What the README says, held against the project."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS: list[tuple[str, str]] = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)


def block(language: str, holding: str) -> str:
    (found,) = [text for kind, text in BLOCKS if kind == language and holding in text]
    return found


def test_the_readme_is_at_most_180_lines_and_has_no_gaps() -> None:
    assert len(README.splitlines()) <= 180
    assert not re.search(r"@[A-Z]+@|TODO|TBD", README)


def test_the_first_example_is_the_config_that_ships() -> None:
    shipped = yaml.safe_load((ROOT / "configs" / "digits_cnn.yaml").read_text())
    assert yaml.safe_load(block("yaml", "digits_cnn")) == shipped


def test_every_make_target_and_link_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"\bmake ([a-z]+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for link in re.findall(r"\]\((?!http)([^)]+)\)", README):
        assert (ROOT / link).exists(), link


def test_every_command_and_option_exists() -> None:
    commands = set(re.findall(r"`dlrun ((?:runs |data )?[a-z]+)", README))
    assert commands >= {"train", "eval", "runs ls", "validate", "components"}
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-m", "dlrun", *command.split(), "--help"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, command
        row = next((line for line in README.splitlines() if f"`dlrun {command}" in line), "")
        for option in re.findall(r"(--[a-z]+)", row):
            assert option in done.stdout, (command, option)


def test_the_number_of_configs_is_the_one_told() -> None:
    assert f"has {len(list((ROOT / 'configs').glob('*.yaml')))} examples" in README


@pytest.mark.tensorflow
def test_the_plugin_trains_and_is_checked_like_a_built_in(tmp_path: Path) -> None:
    (tmp_path / "my_model.py").write_text(block("python", "class Tiny"))
    spec = {
        "plugins": ["my_model.py"],
        "dataset": {"type": "builtin", "name": "digits"},
        "model": {"type": "tiny", "width": 16},
        "loss": "sparse_categorical_crossentropy",
        "training": {"epochs": 1},
    }
    config = tmp_path / "x.yaml"
    config.write_text(yaml.safe_dump(spec))
    command = [sys.executable, "-m", "dlrun", "train", "x.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    config.write_text(config.read_text().replace("width", "widht"))
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert "did you mean 'width'?" in done.stderr
