"""Reading a spec section by section gives the same as reading it as a whole."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from dlrun.errors import RunError
from dlrun.runs import flat_spec
from dlrun.runs.flat_spec import read_flat_spec

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))


def whole(data: bytes) -> dict[str, object]:
    return dict(flat_spec._flat_text(data))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_parsing_by_section_gives_the_same_as_parsing_the_whole_spec(config: Path, tmp_path: Path) -> None:
    written = yaml.safe_dump(yaml.safe_load(config.read_text()), sort_keys=False, allow_unicode=True, width=100)
    (tmp_path / "spec.yaml").write_text(written)
    assert read_flat_spec(tmp_path / "spec.yaml") == whole(written.encode())


def test_sections_that_many_runs_share_are_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flat_spec._section.cache_clear()
    parsed = []
    real = flat_spec._flat_text

    def counted(data: bytes) -> Any:
        parsed.append(data)
        return real(data)

    monkeypatch.setattr(flat_spec, "_flat_text", counted)
    for number in range(50):
        (tmp_path / "spec.yaml").write_text(f"seed: {number % 5}\nmodel:\n  type: mlp\n  units: [3]\nmetrics:\n- auc\n")
        assert read_flat_spec(tmp_path / "spec.yaml")["seed"] == number % 5
    assert len(parsed) == 5 + 2


@pytest.mark.parametrize(
    "text",
    [
        "a: 'x\nb: y'\n",
        "a: 1\na: {b: 2}\n",
        "a: {x: 1}\na: {y: 2}\n",
        "{a: 1,\nb: 2}\n",
        "# note\na: 1\n",
        "a: [1,\nb, 2]\n",
        "a: |\n  text\nb: 1\n",
        "a:\nb: 1\n",
    ],
)
def test_a_spec_in_another_format_is_parsed_as_a_whole(text: str, tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(text)
    assert read_flat_spec(tmp_path / "spec.yaml") == whole(text.encode())


def test_a_damaged_spec_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text("a: 1\nb: [1\n")
    with pytest.raises(RunError, match="damaged"):
        read_flat_spec(tmp_path / "spec.yaml")
