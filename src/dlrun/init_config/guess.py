"""Detect the kind of data at a path, and draft a config for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from dlrun.data.audio_files.reader import RECORDINGS
from dlrun.data.columns import plan_columns
from dlrun.data.files.dialect import is_delimited
from dlrun.data.files.foreign import refuse_foreign
from dlrun.data.image_files.reader import IMAGES
from dlrun.data.media_files.kind import MediaKind
from dlrun.data.media_files.path_table import is_path_table
from dlrun.data.series.order import Times
from dlrun.data.table.source import Table
from dlrun.errors import DataError, UsageError
from dlrun.init_config.arrays import draft_arrays
from dlrun.init_config.audio import draft_audio
from dlrun.init_config.draft import ConfigDraft, Wishes
from dlrun.init_config.images import draft_images
from dlrun.init_config.mask_places import find_masks, mask_columns
from dlrun.init_config.masks import draft_masks
from dlrun.init_config.media import has_files, path_column
from dlrun.init_config.series_config.draft_series import draft_series, find_time, is_series_alone
from dlrun.init_config.table_config.draft_table import LookedAt, draft_table, look_at
from dlrun.init_config.target import choose_target
from dlrun.init_config.text import draft_text, has_loose_quotes

_LINES = (".jsonl", ".ndjson", ".json")
_SHOWN_COUNTS = 1000


def draft_config(path: str, wishes: Wishes) -> ConfigDraft:
    """Inspect data and draft a config that trains on it.

    Args:
        path: A file, a folder, or a pattern of tables.
        wishes: What the user specified about the data.

    Raises:
        UsageError: The type is unknown or conflicts with the other wishes, or nothing in the data can be predicted.
        DataError: The data does not exist or cannot be read.
    """
    if wishes.kind and wishes.kind not in DRAFTS:
        raise UsageError(f"there is no type {wishes.kind!r} for your own data", expected="one of " + ", ".join(DRAFTS))
    in_time = wishes.history is not None or wishes.horizon is not None
    if in_time and wishes.kind not in ("", "series"):
        raise UsageError("--history and --horizon are for series", expected="--type series")
    kind = wishes.kind or ("series" if in_time else _kind_of_place(path))
    if wishes.more_targets and not kind:
        kind = "table"
    if wishes.more_targets and kind != "table":
        raise UsageError(
            f"several targets need a table, but {path} is read as {kind}",
            expected="one --target",
            hint="the config of a series takes a list: `target: [load, price]`" if kind == "series" else "",
        )
    if kind:
        return DRAFTS[kind](path, wishes)
    # The order of the guesses matters:
    # 1. A file with loose quotes cannot be read as a table at all, only as texts.
    # 2. Paths of images or recordings would otherwise be categories or ids of a table.
    # 3. A text with a label can also be a table, but `type: text` is made for it.
    # 4. A series needs nothing but times and one column of numbers; other tables with times get a hint.
    if has_loose_quotes(path):
        # Only a guess: if it fails, reading the file as a table tells what is wrong with it.
        with suppress(UsageError, DataError):
            return draft_text(path, wishes)
    looked = look_at(path)
    if (listed := _draft_listed(path, looked, wishes)) is not None:
        return listed
    if _is_text_alone(path, looked, wishes):
        return draft_text(path, wishes)
    time = find_time(looked)
    if is_series_alone(looked, time) and wishes.target not in (time.names if time else ()):
        return draft_series(path, wishes)
    return _with_hint_of_time(draft_table(path, wishes), time)


_DraftFiles = Callable[..., ConfigDraft]
_OF_FILES: tuple[tuple[MediaKind, _DraftFiles], ...] = (
    (IMAGES, draft_images),
    (RECORDINGS, draft_audio),
)
"""Functions that draft a config for files, by their kind."""


def _draft_listed(path: str, looked: LookedAt, wishes: Wishes) -> ConfigDraft | None:
    """Draft a config for the files that a table lists; None if it lists none."""
    for kind, draft in _OF_FILES if is_path_table(path) else ():
        if kind is IMAGES and (columns := mask_columns(_first_values(looked), wishes)) is not None:
            return draft_masks(path, wishes, columns=columns, first=looked.header)
        if (column := _path_column(looked, kind)) is not None:
            return draft(path, _with_target(looked, wishes, column), column=column, first=looked.header)
    return None


def _draft_files(path: str, wishes: Wishes, kind: MediaKind, draft: _DraftFiles) -> ConfigDraft:
    """Draft a config for files as requested by the user: a folder, or a CSV with a column of files of this kind."""
    if not is_path_table(path):
        return draft(path, wishes)
    looked = look_at(path)
    column = _path_column(looked, kind)
    if column is None:
        example = f"cats/001{kind.endings[0]}"
        raise UsageError(f"{path} has no column of {kind.noun} files", expected=f"a column of paths such as {example}")
    return draft(path, _with_target(looked, wishes, column), column=column, first=looked.header)


def _draft_images(path: str, wishes: Wishes) -> ConfigDraft:
    if not is_path_table(path):
        places = find_masks(Path(path).expanduser())
        return draft_images(path, wishes) if places is None else draft_masks(path, wishes, places=places)
    looked = look_at(path)
    if (columns := mask_columns(_first_values(looked), wishes)) is not None:
        return draft_masks(path, wishes, columns=columns, first=looked.header)
    return _draft_files(path, wishes, IMAGES, draft_images)


def _draft_audio(path: str, wishes: Wishes) -> ConfigDraft:
    return _draft_files(path, wishes, RECORDINGS, draft_audio)


DRAFTS: dict[str, Callable[[str, Wishes], ConfigDraft]] = {
    "arrays": draft_arrays, "audio": _draft_audio, "images": _draft_images, "series": draft_series,
    "table": draft_table, "text": draft_text,
}  # fmt: skip
"""Functions that draft a config, by type of dataset."""


def _path_column(looked: LookedAt, kind: MediaKind) -> str | None:
    """Return the column of a CSV whose values are names of files of a kind, or None."""
    return path_column(_first_values(looked), kind)


def _first_values(looked: LookedAt) -> dict[str, list[str]]:
    return {name: list(survey.counts)[:_SHOWN_COUNTS] for name, survey in looked.surveys.items()}


def _kind_of_place(path: str) -> str:
    """Return the type that follows from the path alone; empty for tables."""
    place = Path(path).expanduser()
    if place.is_dir():
        if has_files(place, IMAGES):
            return "images"
        if has_files(place, RECORDINGS):
            return "audio"
        if any(place.rglob("*.txt")):
            return "text"
        raise DataError(
            f"{path} contains neither images nor sound nor .txt files",
            expected="a folder with a subfolder for each class, or a file",
            hint=f"tables: --data '{place / '*.csv'}'",
        )
    suffix = Path(path.removesuffix(".gz")).suffix.lower()
    if suffix == ".npy":
        raise DataError(
            f"{path} is a single array", expected="an .npz file of features and labels: np.savez(path, x=x, y=y)"
        )
    if place.is_file() and suffix not in (".npz", ".parquet", ".pq"):
        refuse_foreign(
            place,
            expected="a CSV, Parquet, JSON lines or .npz file, or a folder of images, sound or texts",
            reads_json=suffix in _LINES,
        )
    # Tables are often distributed as .txt; without a delimiter, each line is a text.
    if suffix == ".txt" and is_delimited(path):
        return ""
    return "arrays" if suffix == ".npz" else "text" if suffix in (*_LINES, ".txt") else ""


def _is_text_alone(path: str, looked: LookedAt, wishes: Wishes) -> bool:
    """Return whether a table has only a column of text and a column to predict."""
    source = Table(path=path, **looked.keys)
    try:
        target = choose_target(looked.table, looked.surveys, source, wish=wishes.target)
        plan = plan_columns(looked.table, looked.surveys, source, without=(target.name,))
    except DataError:
        return False
    has_gaps = looked.surveys[target.name].missing > 0  # only the type table can drop rows without a target
    return [column.kind for column in plan.columns] == ["text"] and not has_gaps


def _with_target(looked: LookedAt, wishes: Wishes, column: str) -> Wishes:
    """Return the wishes with a target column for a CSV of files."""
    if wishes.target:
        return wishes
    surveys = {name: survey for name, survey in looked.surveys.items() if name != column}
    source = Table(path=str(looked.table.paths[0]), **looked.keys)
    return replace(wishes, target=choose_target(looked.table, surveys, source, wish="").name)


def _with_hint_of_time(draft: ConfigDraft, time: Times | None) -> ConfigDraft:
    if time is None or time.order != "ascending":
        return draft
    note = f"the rows are ordered by {', '.join(time.names)}; --type series predicts the next rows"
    return replace(draft, messages=(*draft.messages, note))
