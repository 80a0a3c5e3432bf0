"""Columns of numbers, categories, dates and text from CSV and Parquet files, for datasets that are made of tables.

A dataset takes these steps in this order. `keys` is the dataset itself, whose YAML keys include `ColumnKeys`:

1. `table = keys.open_table(path)` opens the files, with their column names and blocks of rows.
2. `surveys = survey_columns(table, names, missing=keys.missing_texts)` counts the values of each column in one pass.
3. `plan = plan_columns(table, surveys, keys, without=targets)` decides the kind of each column, or why it is left out.
4. `rows = code_rows([table, ...], plan.columns + targets, keys)` reads every row as numbers in a second pass.
5. After the split, `columns = fit_columns(rows, plan.columns, keys, train=indices)` measures on the training rows only.
6. `stored_blocks(rows, columns, indices)` yields rows in their stored form, `(n, width)` float32.
7. `ColumnsPreprocess.of(columns)` preprocesses stored rows inside the step, and `embedded_columns(columns)` lists the
   columns for which the model learns vectors (`Features.embedded`).
8. For predictions, `read_rows` reads rows of files into their stored form, and `build_rows` does so with Keras layers.

Everything streams. Memory grows with the number of rows only for arrays of a few bytes per row.
"""

from dlrun.data.columns.column import CategoricalColumn, Column, NumericColumn, column_grid, shown_row
from dlrun.data.columns.dates import DateColumn
from dlrun.data.columns.fit import fit_columns, stored_blocks
from dlrun.data.columns.keys import ColumnKeys, name_problem
from dlrun.data.columns.kinds import Plan, plan_columns, reasons
from dlrun.data.columns.planned import PlannedColumn, notation_of
from dlrun.data.columns.preprocess import ColumnsPreprocess, embedded_columns
from dlrun.data.columns.raw import (
    ColumnReading,
    RawBlock,
    build_rows,
    column_places,
    deployed_rows,
    deployed_texts,
    input_names,
    names_of,
    packs,
    read_as,
    read_rows,
)
from dlrun.data.columns.rows import CodedColumn, CodedRows, code_rows
from dlrun.data.columns.slice_columns import read_slice_columns, slice_problems, slice_values, take_rows, written_values
from dlrun.data.columns.survey import ColumnSurvey, survey_columns
from dlrun.data.columns.text_column import TextColumn, TextLengths, count_lengths
from dlrun.data.columns.unknown import UnknownCategories, watch
from dlrun.data.files.table_files import Block, TableFiles

__all__ = [
    "Block",
    "CategoricalColumn",
    "CodedColumn",
    "CodedRows",
    "Column",
    "ColumnKeys",
    "ColumnReading",
    "ColumnSurvey",
    "ColumnsPreprocess",
    "DateColumn",
    "NumericColumn",
    "Plan",
    "PlannedColumn",
    "RawBlock",
    "TableFiles",
    "TextColumn",
    "TextLengths",
    "UnknownCategories",
    "build_rows",
    "code_rows",
    "column_grid",
    "column_places",
    "count_lengths",
    "deployed_rows",
    "deployed_texts",
    "embedded_columns",
    "fit_columns",
    "input_names",
    "name_problem",
    "names_of",
    "notation_of",
    "packs",
    "plan_columns",
    "read_as",
    "read_rows",
    "read_slice_columns",
    "reasons",
    "shown_row",
    "slice_problems",
    "slice_values",
    "stored_blocks",
    "survey_columns",
    "take_rows",
    "watch",
    "written_values",
]
