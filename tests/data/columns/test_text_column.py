"""What a column of text is cut off at is told where it is trained on, checked, and when a config is written for it."""

from pathlib import Path

import yaml

from column_tables import Write
from dlrun.data.inspection.check import find_all
from dlrun.data.inspection.inspected import inspect_source
from dlrun.data.table.source import Table
from dlrun.init_config.draft import Wishes
from dlrun.init_config.write import write_config


def reviews(long: int) -> str:
    """A hundred texts of 3 to 6 words, and the last of them with 300."""
    words = [300 if index >= 100 - long else 3 + index % 4 for index in range(100)]
    rows = [f"{' '.join(f'w{index * number % 97}' for number in range(count))},{index % 7}.5,{'ab'[index % 2]}"
            for index, count in enumerate(words)]  # fmt: skip
    return "\n".join(["review,size,y", *rows]) + "\n"


def test_the_notes_count_the_rows_that_are_truncated(write: Write) -> None:
    loaded = Table(path=write(reviews(3)), target="y", text=("review",)).load()
    assert "text_length: 64 words of review; 3 of 100 rows are longer, the longest has 300" in loaded.notes


def test_the_check_recommends_a_length_that_reads_most_texts(write: Write) -> None:
    for long, status, advice in (
        (3, "pass", ""),
        (20, "warning", "text_length: 300 reads 95 of 100 texts to their end"),
    ):
        findings = find_all(inspect_source(Table(path=write(reviews(long)), target="y", text=("review",))))
        (found,) = [finding for finding in findings if finding.check == "long texts review"]
        assert (found.status, found.advice, found.threshold) == (status, advice, "10% of the rows")
        assert f"{long}.0% of the rows are longer than the 64 words that are read; the longest has 300" in found.said


def test_a_first_config_reads_as_many_words_as_most_texts_have(write: Write, tmp_path: Path) -> None:
    written = write_config(write(reviews(3)), tmp_path / "x.yaml", Wishes())
    text = written.path.read_text()
    assert yaml.safe_load(text)["dataset"]["text_length"] == 6
    assert "# words to read from each text; 95 % have at most this many, the longest has 300" in text
