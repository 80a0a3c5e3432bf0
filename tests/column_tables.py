"""Tables for the tests of columns."""

from collections.abc import Callable

from dlrun.data.columns import ColumnKeys, Plan, plan_columns, survey_columns

Write = Callable[..., str]


def planned(path: str, **keys: object) -> Plan:
    """What each column is."""
    columns = ColumnKeys.model_validate(keys)
    table = columns.open_table(path)
    return plan_columns(table, survey_columns(table, table.names, missing=columns.missing_values), columns)


def column_of(values: list[str], name: str = "x") -> str:
    """A CSV with one column of these values and one that keeps them company."""
    return f"{name},other\n" + "".join(f'"{value}",{index % 2}\n' for index, value in enumerate(values))
