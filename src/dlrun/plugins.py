"""A user's Python file in, its components in the registries."""

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
    """Runs the source that was read, and never `__pycache__`, which may hold another that nobody has looked at."""

    def __init__(self, name: str, path: Path, source: bytes) -> None:
        super().__init__(name, str(path))
        self._source = source

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002  as the import system calls it
        return self.source_to_code(self._source, self.path)


def find_plugin(file: str, *, beside: Path, working_directory: bool = True) -> Located:
    """Find a plugin file by the rule that holds for data too: in the working directory, else beside the spec.

    Args:
        file: As the spec writes it.
        beside: The folder of the spec.
        working_directory: Whether the working directory counts; of a run's spec its own copies do alone.

    Raises:
        SpecError: There is no such file, or there are two: code is never taken from a place that is in doubt.
    """
    if not working_directory:
        return Located(str(_file(beside / file, file, beside)))
    own, found = beside / file, locate(file, beside=beside)
    if found is None:
        return Located(str(_file(own, file, beside)))
    path = _file(Path(found.path), file, beside)
    if own.is_file() and not own.samefile(path) and own.read_bytes() != path.read_bytes():
        said = f"there are two plugin files {file}, in {Path.cwd()} and in {beside.absolute()}"
        raise SpecError([Problem(said, "one of them", f"name it in full: {own.absolute()}")])
    return found


def load_plugin(file: Path, *, beside: Path = Path()) -> Path:
    """Run a plugin file, which registers its components.

    Args:
        file: Where it is.
        beside: The folder that a relative path starts from.

    Returns:
        The file's absolute path.

    Raises:
        SpecError: It is no Python file, or fails.
    """
    path = (beside / file).resolve()
    try:
        source = path.read_bytes()
    except OSError as error:
        said = f"the plugin file {path} cannot be read: {error.strerror}"
        raise SpecError([Problem(said, "a Python file that may be read")]) from error
    content = sha256(source).hexdigest()
    if content in _loaded:  # a run keeps a copy of its plugins, which has registered the same names already
        return path
    # A name of its own for each path: two plugins called model.py do not replace each other.
    module_name = f"dlrun_plugin_{path.stem}_{sha256(str(path).encode()).hexdigest()[:8]}"
    loader = _SourceLoader(module_name, path, source)
    module_spec = importlib.util.spec_from_file_location(module_name, path, loader=loader)
    if module_spec is None or path.suffix != ".py":
        raise SpecError([Problem(f"{path} is no Python file", "a file that ends in .py")])
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[module_name] = module
    try:
        loader.exec_module(module)
    except DlrunError as error:
        raise SpecError([Problem(error.what, error.expected, error.hint)]) from error
    except (Exception, SystemExit) as error:  # whatever a user's file raises is a mistake in that file
        del sys.modules[module_name]
        line = _line_in(path, error)
        raise SpecError([Problem(f"the plugin {path}{line} fails: {type(error).__name__}: {error}")]) from error
    _loaded.add(content)
    return path


def _file(path: Path, written: str, beside: Path) -> Path:
    """The path of a plugin, if it is a file.

    Raises:
        SpecError: It is none.
    """
    if os.path.isfile(path):  # noqa: PTH113  Path.is_file raises in a folder that may not be entered
        return path
    near = near_path(written) or near_path(written, within=beside)
    what = f"there is no plugin file {path.absolute()}"
    raise SpecError([Problem(what, f"a Python file. {FROM_WHERE}", f"did you mean {near}?" if near else "")])


def _line_in(path: Path, error: BaseException) -> str:
    """`:12` for the last line of the plugin that the error passed through."""
    if isinstance(error, SyntaxError) and error.lineno:
        return f":{error.lineno}"
    lines, trace = [], error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return f":{lines[-1]}" if lines else ""
