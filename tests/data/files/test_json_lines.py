"""Each line is one JSON object."""

from pathlib import Path

import pytest

from dlrun.data.files.data_file import FileFormat
from dlrun.data.files.json_lines import JsonLinesFile
from dlrun.errors import DataError


def opened(folder: Path, text: str) -> JsonLinesFile:
    path = folder / "a.jsonl"
    path.write_text(text)
    return JsonLinesFile.open(path, FileFormat())


def test_the_keys_of_the_first_lines_are_the_columns_and_empty_lines_are_skipped(tmp_path: Path) -> None:
    file = opened(tmp_path, '{"a": 1, "b": "x"}\n\n{"b": null, "a": 2, "c": true}\n')
    assert file.names == ("a", "b", "c")
    assert [(line, list(values)) for line, values in file.records(["b", "a"])] == [(1, ["x", 1]), (3, [None, 2])]


def test_a_key_that_is_missing_is_an_error_unless_rows_may_be_ragged(tmp_path: Path) -> None:
    file = opened(tmp_path, '{"text": 1, "label": 2}\n{"texxt": 1, "label": 2}\n')
    with pytest.raises(DataError, match=r"a\.jsonl:2.*no key 'text'") as caught:
        list(file.records(["text"]))
    assert caught.value.hint == "did you mean 'texxt'?"
    assert [list(values) for _, values in file.records(["text"], is_ragged=True)] == [[1], [None]]


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ('{"a": 1}\n{"a": 1\n', r"a\.jsonl:2.*is not JSON", ""),
        ('{"a": 1}\n3\n', r"a\.jsonl:2.*the line is 3", ""),
        ('[{"a": 1}]\n', r"a\.jsonl:1", "the file is a JSON array"),
    ],
)
def test_a_line_that_is_not_an_object_is_named(text: str, message: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message) as caught:
        opened(tmp_path, text)
    assert caught.value.hint.startswith(hint)
