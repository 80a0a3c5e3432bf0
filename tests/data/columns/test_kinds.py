"""The kind of a column, detected from its values or taken from the lists of the spec."""

import pytest

from column_tables import Write, column_of, planned
from dlrun.data.columns import ColumnReading, TableFiles, read_rows
from dlrun.data.columns.dates import parse_dates
from dlrun.data.columns.numbers import parse_numbers, unit_of
from dlrun.data.table.source import Table
from dlrun.errors import DataError

WORDS = ["red", "green", "blue"]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1.5", "", "-2e3", "+.5"] * 9, "numeric"),
        (["1", "?", "NA", "7"] * 9, "numeric"),
        (["1.234,50", "12,5", "7"] * 9, "numeric"),
        (["1,234.5", "12", "1,234,567"] * 9, "numeric"),
        (["1.06%", "3%", "-0.5 %", ""] * 9, "numeric"),
        (["$1,113.16", "$7.00", "-$3.00"] * 9, "numeric"),
        (["€ 12.57", "€ 3.00"] * 9, "numeric"),
        (["12,57 €", "3,00 €"] * 9, "numeric"),
        (["$5", "5%", "7"] * 9, "categorical"),
        (["$-", "$"] * 9, "categorical"),
        (WORDS * 9, "categorical"),
        (["true", "False"] * 9, "categorical"),
        (["2021-03-05", "2020-02-29T10:15:00Z", "?"] * 9, "date"),
        (["31.12.1999", "01.01.2000 07:30"] * 9, "date"),
        (["12/31/1999", "01/02/2000"] * 9, "date"),
        (["A1", "12", "B"] * 9, "categorical"),
        (["E46", "C85", "e5", "+E1"] * 9, "categorical"),
        ([*["1", "2", "3"] * 19, "4+"], "categorical"),
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
        (["3/5/2021", "12/5/2021"] * 15, "two digits"),
    ],
)
def test_useless_columns_are_left_out_with_the_reason(values: list[str], reason: str, write: Write) -> None:
    plan = planned(write(column_of(values)))
    assert reason in plan.ignored["x"]
    assert any(reason in note for note in plan.notes())


def test_row_numbers_of_which_some_are_elsewhere_are_left_out(write: Write) -> None:
    numbers = [str(index) for index in range(1, 101) if index % 5]
    shuffled = [numbers[index * 37 % 80] for index in range(80)]
    assert "numbers rows" in planned(write(column_of(shuffled))).ignored["x"]
    assert planned(write(column_of([*shuffled[1:], shuffled[1]]))).columns[0].kind == "numeric"
    assert planned(write(column_of([str(3 * int(number)) for number in numbers]))).columns[0].kind == "numeric"


def test_an_id_is_known_by_its_name_and_its_values(write: Write) -> None:
    ids = [str(1000 + 7 * index * index) for index in range(40)]
    assert "id" in planned(write(column_of(ids, "customer_id"))).ignored["customer_id"]
    assert planned(write(column_of(ids, "amount"))).columns[0].kind == "numeric"
    assert planned(write(column_of(["17", "29"] * 20, "shop_id"))).columns[0].kind == "categorical"


def test_lists_set_the_kind_and_unlisted_columns_can_be_left_out(write: Write) -> None:
    path = write("a,b,c,d\n" + "1,2,x y,4\n3,2,z,5\n" * 9)
    plan = planned(path, categorical=("a", "b"), text=("c",), unlisted="ignore")
    assert [(column.name, column.kind) for column in plan.columns] == [
        ("a", "categorical"), ("b", "categorical"), ("c", "text"),
    ]  # fmt: skip
    assert plan.ignored == {"d": "it is not listed"}


@pytest.mark.parametrize("keys", [{}, {"numeric": ("x",)}])
def test_one_word_among_numbers_is_reported_with_its_line(keys: dict[str, object], write: Write) -> None:
    values = [str(index * 1.5) for index in range(40)]
    values[17] = "abc"
    with pytest.raises(DataError) as caught:
        planned(write(column_of(values)), **keys)
    for word in ("table.csv:19 (row 18)", "column 'x' contains 'abc'", "expected: a number", 'also_missing: ["abc"]'):
        assert word in str(caught.value)
    assert planned(write(column_of(values)), also_missing=("abc",)).columns[0].kind == "numeric"


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
        ("plain %", ["1.06%", "-3 %", "1e1%"], [1.06, -3, 10]),
        ("grouped $", ["$1,113.16", "-$.5", "$-7", "12$"], [1113.16, -0.5, -7, 12]),
        ("comma €", ["€ 12,57", "-1.113,16 €", "+7€"], [12.57, -1113.16, 7]),
    ],
)
def test_numbers_have_their_value_in_every_notation(notation: str, texts: list[str], numbers: list[float]) -> None:
    import pyarrow as pa

    values, wrong = parse_numbers(pa.array([*texts, None]), notation)  # type: ignore[arg-type]
    assert (values[:-1].tolist(), wrong) == (numbers, None)
    assert values[-1] != values[-1]
    unit = unit_of(notation)  # type: ignore[arg-type]
    bad_ones = ("x", "1e19", "inf", "nan", "1.2.3", "", "$", "-$-5", "5%%", "£5", *(("5",) if unit else ()))
    for bad in bad_ones:
        assert parse_numbers(pa.array([texts[0], bad]), notation)[1] == 1, bad  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("layout", "pattern"), [("ymd", "%Y-%m-%d %H:%M"), ("dmy", "%d.%m.%Y"), ("mdy", "%m/%d/%YT%H:%M:%S")]
)
def test_dates_have_the_parts_of_the_calendar(layout: str, pattern: str) -> None:
    import datetime as dt

    import pyarrow as pa

    days = [dt.datetime(1899, 12, 31, 5) + dt.timedelta(days=97 * index, hours=7 * index) for index in range(900)]  # noqa: DTZ001
    parts, wrong = parse_dates(pa.array([day.strftime(pattern) for day in days]), layout)  # type: ignore[arg-type]
    assert wrong is None
    hours = [day.hour if "%H" in pattern else 0 for day in days]
    expected = [[d.year, d.month, d.day, d.weekday(), hour] for d, hour in zip(days, hours, strict=True)]
    assert parts.tolist() == expected
    for bad in ("2021-13-05", "2021-02-00", "21-02-03", "soon", "2021-02-03 1"):
        assert parse_dates(pa.array([days[0].strftime(pattern), None, bad]), layout)[1] == 2, bad  # type: ignore[arg-type]


def test_one_word_among_dates_is_reported_with_its_line(write: Write) -> None:
    values = [f"2020-01-{index:02d}" for index in range(1, 31)]
    values[9] = "soon"
    with pytest.raises(DataError) as caught:
        planned(write(column_of(values)))
    for word in ("table.csv:11 (row 10)", "contains 'soon'", "a date such as 2021-03-05"):
        assert word in str(caught.value)


def test_a_missing_listed_column_suggests_the_nearest_name(write: Write) -> None:
    table = TableFiles.open(write("height,width\n1,2\n"))
    with pytest.raises(DataError, match=r"heihgt.*\n.*\n.*did you mean 'height'"):
        table.check_columns(["heihgt"])


def test_numbers_beyond_the_bound_are_refused_in_any_notation(write: Write) -> None:
    ids = [str(1_400_000_000_000_000_000 + 131 * index) for index in range(40)]
    assert "value of its own" in planned(write(column_of(ids))).ignored["x"]
    for many, odd in (("1.5", "1e400"), ("1.5", "-2e18"), ("1.234,5", "2.000.000.000.000.000.000")):
        values = [many.replace("5", str(index)) for index in range(40)]
        with pytest.raises(DataError, match="between -1e18 and 1e18"):
            planned(write(column_of([*values, odd])))


@pytest.mark.parametrize(
    ("written", "given", "expected"),
    [
        ("{},25", "49.85", "a number with a decimal comma such as 1.234,5, as in "),
        ("{}.25", "49,85", "a number with a decimal point such as 1234.5, as in "),
        ("{}.25", "x", "a number between -1e18 and 1e18"),
    ],
)
def test_a_number_in_another_notation_is_an_error_with_an_example(
    written: str, given: str, expected: str, write: Write
) -> None:
    lines = [f"{written.format(index * 3)};{'ab'[index % 2]}" for index in range(40)]
    columns = Table(path=write("\n".join(["x;y", *lines])), target="y").load().raw.columns  # type: ignore[union-attr]
    table = TableFiles.open(write(f"x;y\n1;a\n{given};b\n", "new.csv"))
    with pytest.raises(DataError) as caught:
        list(read_rows(table, columns, ColumnReading(), at_once=10))
    where = "training" if expected.endswith("in ") else ""
    assert f"expected: {expected}{where}\n" in str(caught.value)
    mixed = write("\n".join(["x;y", *lines, f"{given};a"]), "mixed.csv")
    with pytest.raises(DataError) as caught:
        Table(path=mixed, target="y").load()
    assert f"expected: {expected}{where and 'the rest of the column'}\n" in str(caught.value)


@pytest.mark.parametrize("keys", [{}, {"date": ("x",)}])
def test_ambiguous_dates_are_reported(keys: dict[str, object], write: Write) -> None:
    notes = list(planned(write(column_of(["02/08/2023", "11/12/2023"] * 9)), **keys).notes())
    assert any(
        "x: dates (02/08/2023) are read as day, month, year" in note and "no day is above 12" in note for note in notes
    )
    for known in (["13/08/2023", "11/12/2023"] * 9, ["2023-02-08", "2023-03-08"] * 9):
        assert not any("month" in note for note in planned(write(column_of(known)), **keys).notes())


def test_the_first_of_many_remarks_are_shown_and_the_others_counted(write: Write) -> None:
    names = [f"day{index}" for index in range(11)]
    rows = [",".join([f"0{day}/08/2023"] * 11) for day in (1, 2)] * 9
    notes = list(planned(write("\n".join([",".join(names), *rows]))).notes())
    assert sum("are read as day" in note for note in notes) == 8
    assert "3 more columns have similar remarks" in notes


def test_numbers_with_leading_zeros_are_reported(write: Write) -> None:
    codes = [f"{index * 997 % 20000:05d}" for index in range(3, 40)]
    notes = list(planned(write(column_of(codes, "zip"))).notes())
    assert "zip: numbers, so that 02991 is 2991 (categorical: [zip] if they are codes)" in notes
    for values in (["0", "10", "7"] * 9, ["0.5", "01.5", "7"] * 9, ["2991", "17"] * 9):
        assert not any("codes" in note for note in planned(write(column_of(values, "zip"))).notes())


def test_a_unit_of_numbers_is_reported_and_required_in_new_rows(write: Write) -> None:
    lines = [f"${index},113.16;{'ab'[index % 2]}" for index in range(1, 40)]
    loaded = Table(path=write("\n".join(["price;y", *lines])), target="y").load()
    assert "price: numbers with $, read without it: $1,234.5 is 1234.5" in loaded.notes
    (column,) = loaded.raw.columns  # type: ignore[union-attr]
    (block,) = read_rows(TableFiles.open(write("price\n$9\n", "new.csv")), [column], ColumnReading(), at_once=9)
    assert block.stored.tolist() == [[9]]
    with pytest.raises(DataError, match=r"expected: a number with a decimal point such as \$1,234.5, as in training"):
        list(read_rows(TableFiles.open(write("price\n9\n", "new.csv")), [column], ColumnReading(), at_once=9))
