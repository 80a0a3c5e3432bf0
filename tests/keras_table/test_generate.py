import json

import pytest

from dlrun.keras_table import TABLE_PATH, rules
from dlrun.keras_table.generate import UntypedArgumentError, table, text

pytestmark = pytest.mark.tensorflow


def test_the_file_matches_the_installed_keras() -> None:
    assert TABLE_PATH.read_text(encoding="utf-8") == text(table()), "run: python -m dlrun.keras_table.generate"


def test_the_text_of_a_table_parses_back_to_the_table() -> None:
    made = table()
    assert json.loads(text(made)) == json.loads(json.dumps(made))


def test_an_argument_without_a_type_stops_the_generator_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(rules.RULES, "kernel_size")
    with pytest.raises(UntypedArgumentError, match=r"Conv\dD\.kernel_size"):
        table()
