"""A config for a series."""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from dlrun.errors import DataError
from dlrun.init_config.draft import Wishes
from dlrun.init_config.write import write_config
from dlrun.spec.parse import read_spec


def test_numbers_with_an_undetected_time_column_suggest_a_series(tmp_path: Path) -> None:
    data = tmp_path / "shampoo.csv"
    data.write_text(
        "Month,Sales\n" + "".join(f"{1 + m // 12}-{m % 12 + 1:02d},{200 + m * 7 % 90}\n" for m in range(36))
    )
    with pytest.raises(DataError, match="no column to learn from") as raised:
        write_config(str(data), tmp_path / "shampoo.yaml", Wishes())
    assert "--type series" in raised.value.hint


def _daily(path: Path, values: Sequence[float]) -> str:
    first = date(2020, 1, 1)
    path.write_text("day,sold\n" + "".join(f"{first + timedelta(at)},{value:.2f}\n" for at, value in enumerate(values)))
    return str(path)


def test_the_fraction_for_the_test_is_the_users_also_for_few_rows(tmp_path: Path) -> None:
    for count in (20, 200):
        data = _daily(tmp_path / f"days_{count}.csv", [100 + at * 7 % 31 for at in range(count)])
        for wish, expected in ((0.4, 0.4), (0.0, 0), (None, 0.2 if count == 200 else 0)):
            config = tmp_path / "days.yaml"
            write_config(data, config, Wishes("series", test=wish), force=True)
            assert read_spec(config).spec.dataset.plain()["test"] == expected


def test_nothing_is_measured_on_values_of_the_test_split(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(50, 5, size=300).cumsum()
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    texts = []
    for name, after in (("a", values), ("b", values[::-1] * 3)):
        # 40 % of 300 rows; the first window of the test predicts five rows at once.
        data = _daily(tmp_path / name / "days.csv", [*values[:176], *after[176:]])
        write_config(data, tmp_path / name / "days.yaml", Wishes("series", horizon=5, test=0.4))
        texts.append((tmp_path / name / "days.yaml").read_text().replace(f"/{name}/", "/"))
    assert texts[0] == texts[1]
    assert "last value" in texts[0]
