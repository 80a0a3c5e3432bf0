"""The YAML keys that say how the columns of a table are read; shared by every dataset that is made of tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field

from dlrun.component import FieldProblem, Fields
from dlrun.data.columns.texts import MISSING_VALUES
from dlrun.data.files.data_file import advice_on_absent
from dlrun.data.files.keys import FileKeys
from dlrun.data.files.table_files import TableFiles
from dlrun.names import list_names

ListName = Literal["numeric", "categorical", "date", "text", "ignore"]
_COMPARED = 100_000
"""Names of columns that are compared with misspelt ones to find what was meant; a wide table has that many at once."""
LISTS: tuple[ListName, ...] = ("numeric", "categorical", "date", "text", "ignore")


class Missing(Fields):
    """What becomes of a value that is missing."""

    numeric: Literal["median", "indicator", "error"] = Field(
        default="median",
        description="Of numbers and dates. median: that of the training split takes its place · indicator: the same, "
        "and a column of its own says where it did · error: none may be missing.",
    )
    categorical: Literal["category", "error"] = Field(
        default="category", description="category: missing is a category of its own · error: none may be missing."
    )


class EmbeddingKeys(Fields):
    """Which categorical columns the model learns vectors for."""

    min_categories: int = Field(
        default=50, ge=2, description="Fewest categories of a column that is embedded; smaller ones are one-hot."
    )
    size: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Width of the vectors. null: 1.6 categories^0.56, 50 at most."
    )


class ColumnKeys(FileKeys):
    """How files are read, and what their columns are."""

    numeric: tuple[str, ...] = Field(default=(), description="Columns that are numbers, whatever they look like.")
    categorical: tuple[str, ...] = Field(default=(), description="Columns that are categories, numbers or not.")
    date: tuple[str, ...] = Field(
        default=(),
        description="Columns of dates with two digits each (2021-03-05, 05.03.2021 10:30): year, month, day, day of "
        "the week and hour become numbers.",
    )
    text: tuple[str, ...] = Field(default=(), description="Columns of free text: the model averages vectors of words.")
    ignore: tuple[str, ...] = Field(default=(), description="Columns that are left out.")
    unlisted: Literal["infer", "ignore"] = Field(
        default="infer",
        description="What becomes of columns in none of these lists. infer: their kind is told from their values, and "
        "shown · ignore: they are left out.",
    )
    unlisted_text: Literal["auto", "learn", "ignore"] = Field(
        default="auto",
        description="What becomes of columns in none of these lists that are free text by their values. learn: they "
        "are read as those under text · ignore: they are left out · auto: learn, if the model learns vectors.",
    )
    missing: Missing = Field(default=Missing(), description="What becomes of missing values.")
    missing_values: tuple[str, ...] = Field(
        default=MISSING_VALUES,
        description="Texts that mean that a value is missing, in place of the usual ones; also_missing adds to them.",
    )
    also_missing: tuple[str, ...] = Field(
        default=(), description="More texts that mean that a value is missing: ['-', '-999']."
    )
    embedding: Literal["auto", "off"] | EmbeddingKeys = Field(
        default="auto",
        description="Whether the model learns vectors for the categories of large columns. auto: of those with 50 "
        "categories or more, if the model learns vectors · off: every column is one-hot · or a group of keys.",
    )
    max_categories: int = Field(
        default=10_000,
        ge=1,
        le=1_000_000,
        description="Categories of a column, and words of a text column, that are told apart: the most frequent in the "
        "training split; others count as unknown.",
    )
    unknown_categories: Literal["error", "allow"] = Field(
        default="error",
        description="What a column is most of whose values training did not have, in rows of other files than the "
        "training rows (or written otherwise: yes and no in place of true and false). error: the file is refused · "
        "allow: a note says so.",
    )
    text_length: int = Field(default=64, ge=1, description="Words of a text that are read; the rest is left out.")
    text_size: int = Field(default=32, ge=1, description="Width of the vector learnt for each word.")
    standardize: bool = Field(
        default=True,
        description="Whether numeric columns are brought to mean 0 and variance 1, as measured on the training split.",
    )

    @property
    def missing_texts(self) -> tuple[str, ...]:
        """All texts that mean that a value is missing."""
        return tuple(dict.fromkeys((*self.missing_values, *self.also_missing)))

    @property
    def listed(self) -> dict[str, ListName]:
        """The list in which a column stands, by the column's name."""
        return {name: key for key in LISTS for name in getattr(self, key)}

    @property
    def text_refusal(self) -> str:
        """Why a column that was found to be free text is left out; empty if it is a feature."""
        if self.unlisted_text == "ignore":
            return "it is free text, which only a model that learns vectors of words takes, such as mlp"
        return ""

    def requires(self, kind: str) -> bool:
        """Whether a value that is missing in a column of this kind is an error."""
        wanted = {
            "numeric": self.missing.numeric,
            "date": self.missing.numeric,
            "categorical": self.missing.categorical,
        }
        return wanted.get(kind) == "error"

    def embeds(self, categories: int) -> int:
        """Width of the vectors for a column of so many categories; 0 if it is one-hot.

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
        """The same keys for a model that learns no vectors: what is left to choose is chosen so that it takes it."""
        chosen = {"embedding": "off", "unlisted_text": "ignore"}
        return self.model_copy(update={key: value for key, value in chosen.items() if getattr(self, key) == "auto"})

    def column_problems(self, table: TableFiles | None, targets: tuple[str, ...]) -> Iterator[FieldProblem]:
        """Columns that are listed twice, are not there, or may be two.

        Args:
            table: The file; None where it cannot be read now.
            targets: The columns to predict.
        """
        yield from self.name_problems()
        if table is not None:
            yield from self.format_problems(table.files, table.label)
        seen: dict[str, str] = dict.fromkeys(targets, "target")
        hints = _COMPARED // len(table.names) if table is not None and table.names else 0
        for key in LISTS:
            for index, name in enumerate(getattr(self, key)):
                if name in seen:
                    yield FieldProblem((key, index), f"{name!r} stands under {seen[name]} too", "one of them")
                elif table is not None:
                    for problem in name_problem((key, index), name, table, hinted=hints >= 0):
                        hints -= 1
                        yield problem
                seen[name] = key

    def open_table(self, path: str, *, head_only: bool = False) -> TableFiles:
        """The table in a file, or in all files that a pattern matches; see `TableFiles.open`."""
        return TableFiles.open(path, self.file_format, head_only=head_only)


def name_problem(
    path: tuple[str | int, ...], name: str, table: TableFiles, *, hinted: bool = True
) -> Iterator[FieldProblem]:
    """The problem of a column that the file does not have, or has twice."""
    if name in table.repeated:
        said = f"{table.label} has more than one column {name!r}"
        yield FieldProblem(path, said, "names that differ", "rename one of them in the file")
    elif name not in table.known_names:
        expected, hint = "one of " + list_names(table.names), ""
        if hinted or table.row_like:
            expected, hint = advice_on_absent(name, table.names, row_like=table.row_like)
        yield FieldProblem(path, f"there is no column {name!r}", expected, hint)
