"""The YAML keys for reading the columns of tables, shared by all datasets that are made of tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, Self

from pydantic import Field

from dlrun.component import FieldProblem, Fields
from dlrun.data.columns.scaling import ScalingName
from dlrun.data.columns.texts import MISSING_VALUES
from dlrun.data.files.data_file import advice_on_absent
from dlrun.data.files.keys import FileKeys
from dlrun.data.files.table_files import TableFiles
from dlrun.names import list_names

ListName = Literal["numeric", "categorical", "date", "text", "ignore"]
_COMPARED = 100_000
"""Maximum number of name comparisons for "did you mean" hints, so that very wide tables are still checked quickly."""
LISTS: tuple[ListName, ...] = ("numeric", "categorical", "date", "text", "ignore")


class Missing(Fields):
    """How to handle missing values."""

    numeric: Literal["median", "indicator", "last", "error"] = Field(
        default="median",
        description="For numbers and dates. median: replace by the median of the training split · indicator: also add "
        "a column that marks missing values · last: for a series, replace a number by the last known one in the window "
        "(the median before the first one), and mark it · error: refuse the data.",
    )
    categorical: Literal["category", "error"] = Field(
        default="category", description="category: a category of its own · error: refuse the data."
    )


class EmbeddingKeys(Fields):
    """Which categorical columns have learned vectors."""

    min_categories: int = Field(
        default=50, ge=2, description="Minimum number of categories for learned vectors; smaller columns are one-hot."
    )
    size: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Width of the vectors. null: 1.6 categories^0.56, at most 50."
    )


class ColumnKeys(FileKeys):
    """The YAML keys for files and their columns."""

    numeric: tuple[str, ...] = Field(default=(), description="Columns to read as numbers.")
    categorical: tuple[str, ...] = Field(
        default=(), description="Columns to read as categories, even if they contain numbers."
    )
    date: tuple[str, ...] = Field(
        default=(),
        description="Columns to read as dates, with two digits for day and month (2021-03-05, 05.03.2021 10:30). Year, "
        "month, day, day of the week and hour become numbers.",
    )
    text: tuple[str, ...] = Field(
        default=(), description="Columns to read as free text. The model averages the vectors of their words."
    )
    ignore: tuple[str, ...] = Field(default=(), description="Columns to leave out.")
    unlisted: Literal["infer", "ignore"] = Field(
        default="infer",
        description="How to handle columns in none of these lists. infer: detect their kind from their values, and "
        "report it · ignore: leave them out.",
    )
    unlisted_text: Literal["auto", "learn", "ignore"] = Field(
        default="auto",
        description="How to handle columns in none of these lists that are detected as free text. learn: read them "
        "like those under text · ignore: leave them out · auto: learn, if the model learns vectors.",
    )
    missing: Missing = Field(default=Missing(), description="How to handle missing values.")
    missing_values: tuple[str, ...] = Field(
        default=MISSING_VALUES,
        description="Texts that mark missing values, instead of the usual ones. also_missing adds to them.",
    )
    also_missing: tuple[str, ...] = Field(default=(), description="More texts that mark missing values: ['-', '-999'].")
    embedding: Literal["auto", "off"] | EmbeddingKeys = Field(
        default="auto",
        description="Whether the model learns vectors for categories. auto: for columns with 50 categories or more, if "
        "the model supports it · off: all columns are one-hot · or a group of keys.",
    )
    max_categories: int = Field(
        default=10_000,
        ge=1,
        le=1_000_000,
        description="Maximum number of categories of a column, and of words of a text column: the most frequent in the "
        "training split. Others count as unknown.",
    )
    unknown_categories: Literal["error", "allow"] = Field(
        default="error",
        description="How to handle a file in which most values of a column are unknown from training, for example yes "
        "and no instead of true and false. error: refuse the file · allow: report it in a note.",
    )
    text_length: int = Field(default=64, ge=1, description="Number of words that are read from a text.")
    text_size: int = Field(default=32, ge=1, description="Width of the learned vector of each word.")
    standardize: bool = Field(
        default=True,
        description="Whether to scale numeric columns, in the way of scaling. false is the same as scaling: none.",
    )
    scaling: ScalingName = Field(
        default="standard",
        description="How to scale numeric columns, as measured on the training split. standard: to mean 0 and variance "
        "1 · robust: by median and quartiles, with a smooth clip at -3 and 3, for outliers · quantile: to a normal "
        "distribution, for heavy tails · none: not at all.",
    )

    @property
    def numeric_scaling(self) -> ScalingName:
        """How numeric columns are scaled."""
        return self.scaling if self.standardize else "none"

    @property
    def missing_texts(self) -> tuple[str, ...]:
        """All texts that mark missing values."""
        return tuple(dict.fromkeys((*self.missing_values, *self.also_missing)))

    @property
    def listed(self) -> dict[str, ListName]:
        """The list of each listed column, by the name of the column."""
        return {name: key for key in LISTS for name in getattr(self, key)}

    @property
    def not_features(self) -> Mapping[str, str]:
        """The reason why each column with another role is not a feature, unless it is listed, by name."""
        return {}

    @property
    def text_refusal(self) -> str:
        """Why columns that are detected as free text are left out; empty if they are features."""
        if self.unlisted_text == "ignore":
            return "it is free text, which needs a model that learns vectors of words, such as mlp"
        return ""

    def requires(self, kind: str) -> bool:
        """Return whether a missing value in a column of this kind is an error."""
        wanted = {
            "numeric": self.missing.numeric,
            "date": self.missing.numeric,
            "categorical": self.missing.categorical,
        }
        return wanted.get(kind) == "error"

    def embeds(self, categories: int) -> int:
        """Return the width of the vectors for a column with a number of categories; 0 if it is one-hot.

        Formula:
            min(50, 1.6 categories^0.56)

        Reference:
            Howard and Gugger, 2020, fastai, `emb_sz_rule`.
        """
        keys = EmbeddingKeys() if self.embedding == "auto" else self.embedding
        if keys == "off" or categories < keys.min_categories:
            return 0
        return keys.size or min(50, round(1.6 * categories**0.56))

    def without_vectors(self) -> Self:
        """Return keys for a model that learns no vectors: every `auto` becomes a choice that the model supports."""
        chosen = {"embedding": "off", "unlisted_text": "ignore"}
        return self.model_copy(update={key: value for key, value in chosen.items() if getattr(self, key) == "auto"})

    def column_problems(self, table: TableFiles | None, targets: tuple[str, ...]) -> Iterator[FieldProblem]:
        """Yield the problems of listed columns: listed twice, missing in the file, or ambiguous.

        Args:
            table: The file; None if it is not available yet.
            targets: The columns to predict.
        """
        yield from self.name_problems()
        if not self.standardize and self.scaling in ("robust", "quantile"):
            what = f"scaling is {self.scaling}, but standardize: false turns it off"
            yield FieldProblem(("scaling",), what, "one of the two keys", "remove standardize")
        if table is not None:
            yield from self.format_problems(table.files, table.label)
        seen: dict[str, str] = dict.fromkeys(targets, "target")
        hints = _COMPARED // len(table.names) if table is not None and table.names else 0
        for key in LISTS:
            for index, name in enumerate(getattr(self, key)):
                if name in seen:
                    yield FieldProblem((key, index), f"{name!r} is also listed under {seen[name]}", "only one of them")
                elif table is not None:
                    for problem in name_problem((key, index), name, table, hinted=hints >= 0):
                        hints -= 1
                        yield problem
                seen[name] = key

    def open_table(self, path: str, *, head_only: bool = False) -> TableFiles:
        """Open the table in a file, or in all files that match a pattern; see `TableFiles.open`."""
        return TableFiles.open(path, self.file_format, head_only=head_only)


def name_problem(
    path: tuple[str | int, ...], name: str, table: TableFiles, *, hinted: bool = True
) -> Iterator[FieldProblem]:
    """Yield the problem of a column that the file does not have, or has more than once."""
    if name in table.repeated:
        found = f"{table.label} has more than one column {name!r}"
        yield FieldProblem(path, found, "unique names", "rename one of them in the file")
    elif name not in table.known_names:
        expected, hint = "one of " + list_names(table.names), ""
        if hinted or table.row_like:
            expected, hint = advice_on_absent(name, table.names, row_like=table.row_like)
        yield FieldProblem(path, f"there is no column {name!r}", expected, hint)
