"""A user's Python file in, its components in the registries."""

from __future__ import annotations

import importlib.util
import sys
from hashlib import sha256
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType

from dlrun.errors import DlrunError, Problem, SpecError

_loaded: set[str] = set()


class _SourceLoader(SourceFileLoader):
    """Runs the source that was read, and never `__pycache__`, which may hold another that nobody has looked at."""

    def __init__(self, name: str, path: Path, source: bytes) -> None:
        super().__init__(name, str(path))
        self._source = source

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002  as the import system calls it
        return self.source_to_code(self._source, self.path)


def load_plugin(file: Path, *, beside: Path) -> Path:
    """Run a plugin file, which registers its components.

    Args:
        file: As the spec writes it.
        beside: The folder that a relative path starts from: the spec's own.

    Returns:
        The file's absolute path.

    Raises:
        SpecError: There is no such file, or it fails.
    """
    path = (beside / file).resolve()
    if not path.is_file():
        raise SpecError([Problem(f"there is no plugin file {path}", "a Python file, relative to the spec's folder")])
    source = path.read_bytes()
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
