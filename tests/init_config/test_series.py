"""A config for a series."""

from pathlib import Path

import pytest

from dlrun.errors import DataError
from dlrun.init_config.draft import Wishes
from dlrun.init_config.write import write_config


def test_numbers_with_an_undetected_time_column_suggest_a_series(tmp_path: Path) -> None:
    data = tmp_path / "shampoo.csv"
    data.write_text(
        "Month,Sales\n" + "".join(f"{1 + m // 12}-{m % 12 + 1:02d},{200 + m * 7 % 90}\n" for m in range(36))
    )
    with pytest.raises(DataError, match="no column to learn from") as raised:
        write_config(str(data), tmp_path / "shampoo.yaml", Wishes())
    assert "--type series" in raised.value.hint
