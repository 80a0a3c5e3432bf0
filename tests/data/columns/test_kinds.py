"""What a column is, told from its values, or from the spec's lists."""

import pytest
from column_tables import Write, column_of, planned

from dlrun.data.columns import TableFiles
from dlrun.data.columns.numbers import parse_numbers
from dlrun.errors import DataError

WORDS = ["red", "green", "blue"]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1.5", "", "-2e3", "+.5"] * 9, "numeric"),
        (["1", "?", "NA", "7"] * 9, "numeric"),
        (["1.234,50", "12,5", "7"] * 9, "numeric"),
        (["1,234.5", "12", "1,234,567"] * 9, "numeric"),
        (WORDS * 9, "categorical"),
        (["true", "False"] * 9, "categorical"),
        (["A1", "12", "B"] * 9, "categorical"),
        ([f"some words about {index}" for index in range(30)], "text"),
    ],
)
def test_the_kind_follows_from_the_values(values: list[str], kind: str, write: Write) -> None:
    assert [column.kind for column in planned(write(column_of(values))).columns if column.name == "x"] == [kind]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (["7"] * 30, "same value"),
        (["NA", "", "?"] * 10, "missing"),
        ([str(100 - index) for index in range(30)], "numbers the rows"),
        ([f"key{index}" for index in range(30)], "value of its own"),
    ],
)
def test_what_cannot_help_is_left_out_with_the_reason(values: list[str], reason: str, write: Write) -> None:
    plan = planned(write(column_of(values)))
    assert reason in plan.ignored["x"]
    assert any(reason in note for note in plan.notes())


def test_an_id_is_known_by_its_name_and_its_values(write: Write) -> None:
    ids = [str(1000 + 7 * index * index) for index in range(40)]
    assert "id" in planned(write(column_of(ids, "customer_id"))).ignored["customer_id"]
    assert planned(write(column_of(ids, "amount"))).columns[0].kind == "numeric"
    assert planned(write(column_of(["17", "29"] * 20, "shop_id"))).columns[0].kind == "categorical"


def test_lists_say_the_kind_and_unlisted_columns_can_be_left_out(write: Write) -> None:
    path = write("a,b,c,d\n" + "1,2,x y,4\n3,2,z,5\n" * 9)
    plan = planned(path, categorical=("a", "b"), text=("c",), unlisted="ignore")
    assert [(column.name, column.kind) for column in plan.columns] == [
        ("a", "categorical"), ("b", "categorical"), ("c", "text"),
    ]  # fmt: skip
    assert plan.ignored == {"d": "it is not listed"}


@pytest.mark.parametrize("keys", [{}, {"numeric": ("x",)}])
def test_one_word_among_numbers_is_told_with_its_line(keys: dict[str, object], write: Write) -> None:
    values = [str(index * 1.5) for index in range(40)]
    values[17] = "abc"
    with pytest.raises(DataError) as caught:
        planned(write(column_of(values)), **keys)
    for word in ("table.csv:19 (row 18)", "column 'x' holds 'abc'", "expected: a number", "missing_values"):
        assert word in str(caught.value)
    assert planned(write(column_of(values)), missing_values=("abc",)).columns[0].kind == "numeric"


def test_one_number_with_a_comma_is_read_as_its_file_is_written(write: Write) -> None:
    semicolons = write("x;y\n" + "1,234;0\n5,678;1\n" * 9)
    assert planned(semicolons).columns[0].notation == "comma"
    commas = write('x,y\n"1,234",0\n"5,678",1\n' * 1 + '"1,234",0\n' * 9)
    assert planned(commas).columns[0].notation == "grouped"


@pytest.mark.parametrize(
    ("notation", "texts", "numbers"),
    [
        ("plain", ["1", "-2.5e1", "+.5"], [1, -25, 0.5]),
        ("comma", ["1.234,5", "-0,5", "1 234"], [1234.5, -0.5, 1234]),
        ("grouped", ["1,234.5", "-.5", "1'234"], [1234.5, -0.5, 1234]),
    ],
)
def test_numbers_have_their_value_in_every_notation(notation: str, texts: list[str], numbers: list[float]) -> None:
    import pyarrow as pa

    values, wrong = parse_numbers(pa.array([*texts, None]), notation)  # type: ignore[arg-type]
    assert (values[:-1].tolist(), wrong) == (numbers, None)
    assert values[-1] != values[-1]  # noqa: PLR0124  NaN
    for bad in ("x", "1e19", "inf", "nan", "1.2.3", ""):
        assert parse_numbers(pa.array([texts[0], bad]), notation)[1] == 1, bad  # type: ignore[arg-type]


def test_a_listed_column_that_is_not_there_names_the_nearest(write: Write) -> None:
    table = TableFiles.open(write("height,width\n1,2\n"))
    with pytest.raises(DataError, match="heihgt.*\n.*\n.*did you mean 'height'"):
        table.check_columns(["heihgt"])
