"""Columns of numbers, categories and text, out of CSV and Parquet files; the core of every dataset made of tables.

A dataset takes these steps, in this order; `keys` is the dataset itself, whose YAML keys include `ColumnKeys`:

1. `table = keys.open_table(path)`: the files, their names of columns, blocks of rows.
2. `surveys = survey_columns(table, names, missing=keys.missing_texts)`: one pass that counts what values are like.
3. `plan = plan_columns(table, surveys, keys, without=targets)`: what each column is, or why it is left out.
4. `rows = code_rows([table, ...], plan.columns + targets, keys)`: a second pass; every row as numbers, in file order.
5. The split is chosen; `columns = fit_columns(rows, plan.columns, keys, train=indices)` measures on its rows alone.
6. `stored_blocks(rows, columns, indices)`: rows as they are stored, `(n, width)` float32, in the order of `indices`.
7. `ColumnsPreprocess.of(columns)` is the arithmetic inside the step, `embedded_columns(columns)` what the model learns
   vectors for (`Features.embedded`).
8. For predictions, `read_rows` reads rows of files as they are stored, and `build_rows` does the same as Keras layers.

Everything streams: memory grows with the number of rows only where arrays of a few bytes a row are needed.
"""

from dlrun.data.columns.column import CategoricalColumn, Column, NumericColumn, shown_row
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
    "reasons",
    "shown_row",
    "stored_blocks",
    "survey_columns",
    "watch",
]
