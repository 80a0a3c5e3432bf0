"""`dlrun init` as a person runs it."""

from pathlib import Path
from typing import Any


def test_init_never_overwrites_a_file(tmp_path: Path, dlrun: Any) -> None:
    assert dlrun("init", "a.yaml", cwd=tmp_path).code == 0
    text = (tmp_path / "a.yaml").read_text()
    assert "dlrun train a.yaml" in text
    (tmp_path / "a.yaml").write_text("mine")
    done = dlrun("init", "a.yaml", cwd=tmp_path)
    assert (done.code, (tmp_path / "a.yaml").read_text()) == (2, "mine")
    assert dlrun("init", "a.yaml", "--force", cwd=tmp_path).code == 0


def test_a_target_needs_data_and_a_config_for_data_is_never_written_over_a_file(tmp_path: Path, dlrun: Any) -> None:
    (tmp_path / "towns.csv").write_text("size,label\n" + "1.5,x\n2.5,y\n" * 30)
    assert dlrun("init", "--target", "label").code == 2
    assert dlrun("init", "--data", "towns.csv").code == 0
    assert dlrun("init", "--data", "towns.csv").code == 2
