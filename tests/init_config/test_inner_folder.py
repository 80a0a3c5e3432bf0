"""A folder around the data is recognized."""

from pathlib import Path

import pytest

from dlrun.errors import DataError
from dlrun.init_config.draft import Wishes
from dlrun.init_config.write import write_config
from pictures import write_classes


def test_an_outer_folder_is_not_mistaken_for_a_class_folder(tmp_path: Path) -> None:
    write_classes(tmp_path / "archive" / "shapes")
    written_config = write_config(str(tmp_path / "archive"), tmp_path / "a.yaml", Wishes())
    assert any(f"--data {tmp_path / 'archive' / 'shapes'}" in told for told in written_config.messages)
    for name in ("good", "bad"):
        (tmp_path / "mails" / "all" / name).mkdir(parents=True)
        (tmp_path / "mails" / "all" / name / "1.txt").write_text("some words")
    with pytest.raises(DataError, match="one class folder, all") as caught:
        write_config(str(tmp_path / "mails"), tmp_path / "b.yaml", Wishes())
    assert caught.value.hint.endswith(f"--data {tmp_path / 'mails' / 'all'}")
    (tmp_path / "mails" / "all" / "bad" / "1.txt").unlink()
    with pytest.raises(DataError, match="one class folder, good") as caught:
        write_config(str(tmp_path / "mails" / "all"), tmp_path / "b.yaml", Wishes())
    assert caught.value.hint == ""
