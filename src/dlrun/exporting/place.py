"""Where an exported model goes: nothing is there before it is whole and checked, and nothing else is left."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dlrun.errors import UsageError
from dlrun.exporting.formats import Format
from dlrun.system.disk import disk, explained

_ASIDE = "replaced"


@dataclass(frozen=True)
class Destination:
    """A file or folder to be written.

    Args:
        path: Of it.
        format: What it will be.
    """

    path: Path
    format: Format

    @classmethod
    def of(cls, path: Path, format_: Format, *, replaces: bool) -> Destination:
        """Check that it may be written.

        Raises:
            UsageError: Its name does not fit, there is no such folder, or it is there already.
        """
        path = path.expanduser()
        if format_.suffix and path.suffix != format_.suffix:
            raise UsageError(f"--output {path} is to be a {format_.name} file", expected=f"a name in {format_.suffix}")
        if not path.parent.is_dir():
            raise UsageError(f"there is no folder {path.parent}", hint=f"mkdir -p {path.parent}")
        if disk.exists(path):
            if path.is_dir() == bool(format_.suffix) or (path.is_dir() and not _is_saved_model(path)):
                said = f"{path} is there already, and is not a {format_.name} export"
                raise UsageError(said, hint="--output PATH names another place")
            if not replaces:
                raise UsageError(f"{path} is there already", hint="--force replaces it, --output PATH leaves it")
        return cls(path, format_)

    @contextlib.contextmanager
    def staged(self) -> Iterator[Path]:
        """Another path to write to, in a folder of its own; at the end of the `with` block it becomes this one.

        Raises:
            RunError: The disk is full, or the folder cannot be written to.
        """
        with explained(f"write {self.path}"):
            work = Path(tempfile.mkdtemp(dir=self.path.parent.absolute(), prefix=f".{self.path.name}."))
            try:
                staged = work / self.path.name
                yield staged
                self._commit(staged, aside=work / _ASIDE)
            finally:
                # What was replaced is only given up for what replaces it.
                if disk.exists(self.path) or not disk.exists(work / _ASIDE):
                    disk.remove_tree(work)

    def size(self) -> int:
        """Bytes of the file, or of all files of the folder."""
        if not self.path.is_dir():
            return self.path.stat().st_size
        return sum(each.stat().st_size for each in self.path.rglob("*") if each.is_file())

    def _commit(self, staged: Path, *, aside: Path) -> None:
        replaces = self.path.is_dir()  # a folder cannot be renamed onto another
        if replaces:
            disk.rename(self.path, aside)
        try:
            disk.rename(staged, self.path)
        except BaseException:
            if replaces:
                disk.rename(aside, self.path)
            raise
        disk.sync_folder(self.path.parent)


def _is_saved_model(folder: Path) -> bool:
    return (folder / "saved_model.pb").is_file()
