"""A config for texts."""

from pathlib import Path

import pytest
import yaml

from dlrun.errors import DataError, UsageError
from dlrun.init_config.draft import Wishes
from dlrun.init_config.write import write_config
from written_configs import check_fits


def test_unclosed_quotes_are_ordinary_characters_of_texts(tmp_path: Path) -> None:
    data = tmp_path / "SMSSpamCollection"
    rows = ['ham\t"see you at home then', "spam\tfree prize to claim now", 'ham\tsays "ok" to me now'] * 12
    data.write_text("\n".join(rows) + "\n")
    done = write_config(str(data), tmp_path / "sms.yaml", Wishes())
    assert yaml.safe_load(done.path.read_text())["dataset"]["quoted"] is False
    assert any("quotes do not enclose" in line for line in done.messages)
    check_fits(done.path)


def test_a_damaged_row_is_reported_rather_than_a_missing_text_column(tmp_path: Path) -> None:
    data = tmp_path / "reviews.csv"
    data.write_text('text,label\n"a good film, see it,good\nnot my film at all,bad\n')
    with pytest.raises(DataError, match=r"reviews.csv:2: the row"):
        write_config(str(data), tmp_path / "reviews.yaml", Wishes(kind="text"))


def test_json_lines_without_texts_suggest_a_conversion_to_a_table(tmp_path: Path) -> None:
    data = tmp_path / "houses.jsonl"
    data.write_text('{"rooms": 3, "price": 200}\n{"rooms": 4, "price": 300}\n')
    with pytest.raises(UsageError, match="no column of texts") as raised:
        write_config(str(data), tmp_path / "houses.yaml", Wishes())
    assert "houses.csv" in raised.value.hint
