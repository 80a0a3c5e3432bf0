"""Turns errors of the operating system into one clear message.

An unreadable file, a failing disk or a lack of memory can stop any line of the program. Code that knows more about the
cause explains it; errors that reach the command line are explained here.
"""

from __future__ import annotations

import errno
import os

from dlrun.errors import DataError, DlrunError, RunError, UsageError, encodable
from dlrun.system.disk import reason

_TO_TRY = "close other programs, raise the limit (ulimit -v), or use a smaller batch, model or data set"
_NO_MEMORY = (
    "cannot allocate memory",
    "failed to map segment",
    "std::bad_alloc",
    "can't start new thread",
    "can't allocate",
    "unable to allocate",
    "resource temporarily unavailable",
    "out of memory",
)


def system_error(error: BaseException, *, reads_data_only: bool = False) -> DlrunError | None:
    """Return an error that the user can understand and fix.

    Args:
        error: The error that a command raised.
        reads_data_only: Whether the command only reads data, so that a file error is a `DataError`.

    Returns:
        None if the error does not come from the system, which makes it a bug of dlrun.
    """
    if isinstance(error, MemoryError) or _is_of_memory(error):
        return RunError("not enough memory", expected="more memory than this process may use", hint=_TO_TRY)
    if isinstance(error, OSError) and error.errno is not None:
        why, hint = reason(error)
        where = _name(error.filename)
        kind = DataError if reads_data_only else RunError
        return kind(f"cannot use {where}: {why}" if where else f"the operating system reports: {why}", hint=hint)
    # Some libraries raise a plain ValueError for it, which does not hold the text.
    if isinstance(error, ValueError) and "surrogates not allowed" in str(error):
        found = encodable(error.object) if isinstance(error, UnicodeEncodeError) else "a path or a value"
        return UsageError(f"{found} is not UTF-8 text", expected="paths and values of UTF-8 characters")
    return None


def _is_of_memory(error: BaseException) -> bool:
    # If TensorFlow cannot be loaded or cannot start its threads for lack of memory, it raises errors of other types.
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if not isinstance(error, ImportError | RuntimeError | SystemError):
        # Compared by name, because the class itself would need an import of TensorFlow.
        return type(error).__name__ == "ResourceExhaustedError"
    # The error that names the memory may be the one below, which was wrapped on its way up.
    causes = [str(error).lower(), str(error.__cause__ or "").lower(), str(error.__context__ or "").lower()]
    return any(sign in cause for sign in _NO_MEMORY for cause in causes)


def _name(filename: object) -> str:
    return os.fsdecode(filename) if isinstance(filename, str | bytes | os.PathLike) else ""
