"""Find and run plugin files: a user's Python files that register components."""

from __future__ import annotations

import importlib.util
import os
import sys
from hashlib import sha256
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType

from dlrun.errors import DlrunError, Problem, SpecError
from dlrun.system.paths import FROM_WHERE, Located, locate, near_path

_loaded: set[str] = set()


class _SourceLoader(SourceFileLoader):
    """Run the source that was read, and never the cached bytecode, which may belong to other source."""

    def __init__(self, name: str, path: Path, source: bytes) -> None:
        super().__init__(name, str(path))
        self._source = source

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002  as the import system calls it
        return self.source_to_code(self._source, self.path)


def find_plugin(file: str, *, beside: Path, working_directory: bool = True) -> Located:
    """Find a plugin file in the working directory, or else beside the spec, as for data files.

    Args:
        file: Path as written in the spec.
        beside: Folder that contains the spec.
        working_directory: Whether to look in the working directory. False for the spec of a run, which has its own
            copies of its plugins.

    Raises:
        SpecError: The file does not exist, or both places have a different file of this name. Running the wrong code
            would be worse than stopping.
    """
    if not working_directory:
        return Located(str(_file(beside / file, file, beside)))
    own, found = beside / file, locate(file, beside=beside)
    if found is None:
        return Located(str(_file(own, file, beside)))
    path = _file(Path(found.path), file, beside)
    if own.is_file() and not own.samefile(path) and own.read_bytes() != path.read_bytes():
        what = f"there are two different plugin files {file}, in {Path.cwd()} and in {beside.absolute()}"
        raise SpecError([Problem(what, "only one of them", f"give the full path, for example {own.absolute()}")])
    return found


def load_plugin(file: Path, *, beside: Path = Path()) -> Path:
    """Run a plugin file, which registers its components.

    Args:
        file: Path of the plugin file.
        beside: Folder that relative paths start from.

    Returns:
        The absolute path of the file.

    Raises:
        SpecError: The file cannot be read, is not a Python file, or raises an exception.
    """
    path = (beside / file).resolve()
    try:
        source = path.read_bytes()
    except OSError as error:
        what = f"the plugin file {path} cannot be read: {error.strerror}"
        raise SpecError([Problem(what, "a Python file with read permission")]) from error
    content = sha256(source).hexdigest()
    if content in _loaded:  # the original and the copy in a run's folder register the same names
        return path
    # The module name includes a hash of the path, so that two plugins called model.py do not replace each other.
    module_name = f"dlrun_plugin_{path.stem}_{sha256(str(path).encode()).hexdigest()[:8]}"
    loader = _SourceLoader(module_name, path, source)
    module_spec = importlib.util.spec_from_file_location(module_name, path, loader=loader)
    if module_spec is None or path.suffix != ".py":
        raise SpecError([Problem(f"{path} is not a Python file", "a file that ends in .py")])
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[module_name] = module
    try:
        loader.exec_module(module)
    except DlrunError as error:
        raise SpecError([Problem(error.what, error.expected, error.hint)]) from error
    except (Exception, SystemExit) as error:  # anything that a user's file raises is a mistake in that file
        del sys.modules[module_name]
        line = _line_in(path, error)
        raise SpecError([Problem(f"the plugin {path}{line} raised {type(error).__name__}: {error}")]) from error
    _loaded.add(content)
    return path


def _file(path: Path, written: str, beside: Path) -> Path:
    """Return the path of a plugin.

    Raises:
        SpecError: The file does not exist.
    """
    if os.path.isfile(path):  # noqa: PTH113  Path.is_file raises in a folder without permission to enter
        return path
    near = near_path(written) or near_path(written, within=beside)
    what = f"there is no plugin file {path.absolute()}"
    raise SpecError([Problem(what, f"a Python file. {FROM_WHERE}", f"did you mean {near}?" if near else "")])


def _line_in(path: Path, error: BaseException) -> str:
    """Return `:12` for line 12, the last line of the plugin in the traceback of the error."""
    if isinstance(error, SyntaxError) and error.lineno:
        return f":{error.lineno}"
    lines, trace = [], error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return f":{lines[-1]}" if lines else ""
