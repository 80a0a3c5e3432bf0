"""Draft a config that predicts the labels of texts."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dlrun.data.files.foreign import foreign_kind, how_to_convert
from dlrun.data.text.files import files_of
from dlrun.data.text.folders import SUFFIX, TextFolder, split_folders
from dlrun.data.text.labels import number_of
from dlrun.data.text.rows import TextFile, TextReading
from dlrun.errors import DataError, UsageError
from dlrun.init_config.draft import ConfigDraft, Key, Remark, Section, Sizes, Wishes
from dlrun.init_config.first_line import FirstLine
from dlrun.init_config.inner_folder import inner_class_folder
from dlrun.init_config.target import USUAL_NAMES, check_column

_TEXT_NAMES = ("text", "texts", "sentence", "review", "comment", "content", "body", "message", "document", "tweet")
_LOOKED_AT = 2_000
_SHORT_WORDS = 100
_MANY_TEXTS = 100_000
_WORDS_OF_A_TEXT = 3
_LIKE_IDS = 0.5


@dataclass(frozen=True)
class TextColumns:
    """The roles of the columns; empty for a folder.

    Args:
        text: Column of the texts.
        label: Column to predict.
        why: Reason for the choice of the label.
        others: Unused columns.
    """

    text: str = ""
    label: str = ""
    why: str = "the class folders"
    others: tuple[str, ...] = ()


def draft_text(path: str, wishes: Wishes) -> ConfigDraft:
    """Draft a config of the dataset type `text`.

    Raises:
        DataError: The file cannot be read.
        UsageError: There is no column of texts, or no column of labels.
    """
    within = split_folders(Path(path).expanduser())
    files = files_of(str(within.get("train", path)), TextReading())
    is_folder = isinstance(files[0], TextFolder)
    first = FirstLine.of_text(files[0].path) if files[0].is_delimited else FirstLine()
    reading = TextReading(header=first.header)
    if files[0].is_delimited:
        reading = replace(reading, quoted=_has_quoted_values(files[0], reading))
    columns = TextColumns() if is_folder else _choose_columns(path, wishes, reading)
    reading = replace(reading, text=columns.text or "text", label=columns.label or "label")
    files = files_of(str(within.get("train", path)), reading)
    rows = [*itertools.islice(itertools.chain.from_iterable(file.rows(labelled=True) for file in files), _LOOKED_AT)]
    if not rows:
        raise DataError(f"{path} contains no texts", expected="rows with a text and a label")
    total = len(rows) if len(rows) < _LOOKED_AT else sum(1 for file in files for _ in file.rows(labelled=False))
    looks = _Looks.of([row.text for row in rows])
    labels = {row.label or "" for row in rows}
    if is_folder and len(labels) == 1:
        raise _one_class(Path(path).expanduser(), labels.pop())
    # The same rule as `task: auto` of the dataset, because the loss must fit the target that it chooses.
    is_value = _are_numbers(labels) and not _are_whole(labels)
    sizes = Sizes(total, passes=150_000, test=wishes.test)
    held_out = [line for line in sizes.held_out if not (isinstance(line, Key) and line.name in within)]
    # An LSTM is slow on long or many texts, where a bag of words is usually as accurate.
    is_bag = looks.is_long or total > _MANY_TEXTS
    return ConfigDraft(
        f"{total:,} texts of {path}, whose {columns.label or 'class folder'} is predicted.",
        (*_dataset(path, columns, reading, first, looks, is_bag=is_bag), *_label_remark(labels), *held_out),
        _network(is_bag=is_bag),
        "mean_squared_error" if is_value else "sparse_categorical_crossentropy",
        ("mean_absolute_error",) if is_value else ("accuracy",),
        sizes.training,
        (*first.messages(), *_guesses(columns, reading, wishes)),
    )


def _one_class(folder: Path, name: str) -> DataError:
    """Return the error for a folder with a single class folder, which may be an outer folder."""
    inner = inner_class_folder(folder, (SUFFIX,))
    return DataError(
        f"{folder} has only one class folder, {name}",
        expected="two or more class folders",
        hint=f"the folders of {inner} may be the classes: --data {shlex.quote(str(inner))}" if inner else "",
    )


@dataclass(frozen=True)
class _Looks:
    """Properties of texts: whether they are long, and whether spaces separate their words."""

    is_long: bool
    is_written_without_spaces: bool

    @classmethod
    def of(cls, texts: Sequence[str]) -> _Looks:
        words = np.array([len(text.split()) for text in texts])
        characters = sum(map(len, texts))
        ascii_only = sum(character.isascii() for text in texts for character in text[:200])
        wide = ascii_only < sum(len(text[:200]) for text in texts) / 2
        # No script with spaces has words of 12 letters on average.
        return cls(bool(np.quantile(words, 0.95) > _SHORT_WORDS), wide and characters > 12 * max(1, int(words.sum())))


def has_loose_quotes(path: str) -> bool:
    """Return whether a delimited file is readable only with quotes as ordinary characters, unlike a table."""
    try:
        file = files_of(path, TextReading())[0]
        if not file.is_delimited:
            return False
        return not _has_quoted_values(file, TextReading(header=FirstLine.of_text(file.path).header))
    except DataError:
        return False


def _has_quoted_values(file: TextFile, reading: TextReading) -> bool:
    """Return whether quotes enclose values; False if the file is readable only with quotes as ordinary characters."""
    # Quotes that enclose values come first: a valid CSV can usually be read both ways, but only one is right.
    for quoted in (True, False):
        tried = replace(file, reading=replace(reading, quoted=quoted))
        # Any column will do, because a misread quote breaks whole rows.
        tried = replace(tried, reading=replace(tried.reading, text=tried.names()[0]))
        try:
            for _ in itertools.islice(tried.rows(labelled=False), _LOOKED_AT):
                pass
        except DataError:
            continue
        return quoted
    return True


def _choose_columns(path: str, wishes: Wishes, reading: TextReading) -> TextColumns:
    names = files_of(path, reading)[0].names()
    if not names:
        expected = "a .csv, .tsv, .jsonl or .parquet file, or class folders"
        hint = "in a .txt file, each line is one text; name a file with columns .csv or .tsv"
        raise UsageError(f"{path} has no columns", expected=expected, hint=hint)
    if wishes.target:
        check_column(wishes.target, names, path)
    texts = {
        name: _column(path, replace(reading, text=name), labelled=False) for name in names if name != wishes.target
    }
    text = _text_column(texts)
    if text is None:
        # `_column` hides errors, so a damaged file would look like one without texts.
        _refuse_damaged(path, reading, names)
        expected = "a column with several words in each row"
        foreign = foreign_kind(Path(path))  # to tables
        hint = f"for type: table, {how_to_convert(Path(path), foreign)}" if foreign else "--type table"
        raise UsageError(f"{path} has no column of texts", expected=expected, hint=hint)
    others = tuple(name for name in names if name != text)
    if wishes.target:
        label, why = wishes.target, "as --target says"
    else:
        labels = {name: _column(path, replace(reading, text=text, label=name), labelled=True) for name in others}
        label, why = _label_column(labels, path)
    return TextColumns(text, label, why, tuple(name for name in others if name != label))


def _refuse_damaged(path: str, reading: TextReading, names: Sequence[str]) -> None:
    """Raise the error of a damaged file, which is the same for every column."""
    errors: dict[str, DataError] = {}
    for name in names:
        try:
            for _ in itertools.islice(files_of(path, replace(reading, text=name))[0].rows(labelled=False), _LOOKED_AT):
                pass
        except DataError as error:
            errors[str(error)] = error
        else:
            return
    if len(errors) == 1 and len(names) > 1:
        raise next(iter(errors.values()))


def _column(path: str, reading: TextReading, *, labelled: bool) -> list[str]:
    """Return the first labels or texts; an empty list if some are missing or are neither text nor numbers."""
    try:
        rows = files_of(path, reading)[0].rows(labelled=labelled)
        return [(row.label if labelled else row.text) or "" for row in itertools.islice(rows, _LOOKED_AT)]
    except DataError:
        return []


def _text_column(values: Mapping[str, list[str]]) -> str | None:
    """Return the column of texts: by its name, or else the column with the most words per row."""
    words = {name: sum(len(value.split()) for value in found) / len(found) for name, found in values.items() if found}
    for name in words:
        if name.lower() in _TEXT_NAMES:
            return name
    longest = max(words, key=lambda name: words[name], default=None)
    return longest if longest is not None and words[longest] >= _WORDS_OF_A_TEXT else None


def _label_column(values: Mapping[str, list[str]], path: str) -> tuple[str, str]:
    usable = []
    for name, found in values.items():
        is_number = all(number_of(value) is not None for value in found)
        # Many different names are ids or texts, but many different numbers may be a value to predict.
        if found and len(set(found)) > 1 and (is_number or len(set(found)) <= _LIKE_IDS * len(found)):
            usable.append(name)
    for name in usable:
        if name.lower() in USUAL_NAMES:
            return name, "by its name"
    if usable:
        return usable[-1], "the last column that can be a label"
    raise UsageError(f"no column of {path} looks like a label", expected="--target with the name of a column")


def _dataset(
    path: str, columns: TextColumns, reading: TextReading, first: FirstLine, looks: _Looks, *, is_bag: bool
) -> Iterator[Key | Remark]:
    yield Key("type", "text")
    yield Key("path", path)
    yield from first.lines()
    if not reading.quoted:
        yield Key("quoted", value=False, comment="quotes are ordinary characters; true if they enclose values")
    if columns.text:
        yield Key("text", columns.text, "column of the texts")
        yield Key("label", columns.label, f"column to predict, {columns.why}")
    if columns.others:
        yield Remark(f"unused: {', '.join(columns.others)} (type: table uses all columns)")
    if looks.is_written_without_spaces:
        yield Key("tokens", "characters", "the texts have no spaces between words")
    if is_bag:
        yield Key("output_mode", "multi_hot", "which words occur, regardless of their order")
        yield Key("vocabulary_size", 20_000, "the most frequent words of the training texts")
    else:
        yield Key("vocabulary_size", 10_000, "the most frequent words of the training texts; others share one id")


def _network(*, is_bag: bool) -> Section:
    if is_bag:
        return (Key("type", "mlp"), Key("units", [64]), Key("dropout", 0.5))
    return (
        Key("type", "lstm"),
        Key("embedding_size", 64, "width of the vector learned for each word"),
        Key("units", [64]),
        Key("bidirectional", value=True),
        Key("dropout", 0.5),
    )


def _are_numbers(labels: set[str]) -> bool:
    return all(number_of(label) is not None for label in labels)


def _are_whole(labels: set[str]) -> bool:
    return all(number is not None and number.is_integer() for number in map(number_of, labels))


def _label_remark(labels: set[str]) -> Iterator[Remark]:
    if _are_whole(labels):
        yield Remark("The labels are whole numbers and are read as classes; task: regression reads them as numbers.")


def _guesses(columns: TextColumns, reading: TextReading, wishes: Wishes) -> Iterator[str]:
    if not reading.quoted:
        yield "quoted: false, because quotes do not enclose whole values and are read as ordinary characters"
    if columns.text:
        yield f"text: {columns.text}"
        yield f"label: {columns.label}, {columns.why}" + ("" if wishes.target else " (--target for another)")
    else:
        yield "label: the class folder of each text"
    if columns.others:
        yield f"unused: {', '.join(columns.others)} (--type table uses all columns)"
