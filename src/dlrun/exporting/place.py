"""Write an exported file so that it appears only when it is complete and checked, and nothing else is left behind."""

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
    """The path of an export.

    Args:
        path: The path of the file or folder.
        format: Its format.
    """

    path: Path
    format: Format

    @classmethod
    def of(cls, path: Path, format_: Format, *, replaces: bool) -> Destination:
        """Check that the path may be written to.

        Args:
            path: The path.
            format_: The format of the export.
            replaces: Whether an existing export may be replaced.

        Raises:
            UsageError: The name has the wrong suffix, its folder does not exist, or the file exists already.
        """
        path = path.expanduser()
        if format_.suffix and path.suffix != format_.suffix:
            message = f"--output {path} is not the name of a {format_.name} file"
            raise UsageError(message, expected=f"a name ending in {format_.suffix}")
        if not path.parent.is_dir():
            raise UsageError(f"there is no folder {path.parent}", hint=f"mkdir -p {path.parent}")
        if disk.exists(path):
            if path.is_dir() == bool(format_.suffix) or (path.is_dir() and not _is_saved_model(path)):
                message = f"{path} exists already, and is not a {format_.name} export"
                raise UsageError(message, hint="choose another path with --output PATH")
            if not replaces:
                raise UsageError(f"{path} exists already", hint="use --force to replace it, or another --output PATH")
        return cls(path, format_)

    @contextlib.contextmanager
    def staged(self) -> Iterator[Path]:
        """Yield a temporary path to write to; after the block it is renamed to the final path.

        Raises:
            RunError: The disk is full, or the folder is not writable.
        """
        with explained(f"write {self.path}"):
            # In the folder of the final path, because a rename is only atomic within one file system.
            work = Path(tempfile.mkdtemp(dir=self.path.parent.absolute(), prefix=f".{self.path.name}."))
            try:
                staged = work / self.path.name
                yield staged
                self._commit(staged, aside=work / _ASIDE)
            finally:
                # If the commit failed and could not be undone, the old export is still in `work`: keep it.
                if disk.exists(self.path) or not disk.exists(work / _ASIDE):
                    disk.remove_tree(work)

    def size(self) -> int:
        """Return the number of bytes of the file, or of all files in the folder."""
        if not self.path.is_dir():
            return self.path.stat().st_size
        return sum(each.stat().st_size for each in self.path.rglob("*") if each.is_file())

    def _commit(self, staged: Path, *, aside: Path) -> None:
        replaces = self.path.is_dir()  # a folder cannot be renamed to the name of an existing folder
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
