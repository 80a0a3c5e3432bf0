"""What the system refuses, in whatever command it does so, as an error with one clear line.

A file that may not be read, a disk that fails and memory that does not suffice can meet every line of the program.
Where more is known of them they are explained there; what comes as far as the command line is explained here.
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
    """Return the error as one that the user can understand and mend; None if it is a bug of dlrun's.

    Args:
        error: What a command raised.
        reads_data_only: Whether the command reads nothing but data.
    """
    if isinstance(error, MemoryError) or _is_of_memory(error):
        return RunError("there is not enough memory", expected="more than this process may use", hint=_TO_TRY)
    if isinstance(error, OSError) and error.errno is not None:
        why, hint = reason(error)
        where = _name(error.filename)
        kind = DataError if reads_data_only else RunError
        return kind(f"cannot use {where}: {why}" if where else f"the system refuses: {why}", hint=hint)
    if isinstance(error, ValueError) and "surrogates not allowed" in str(error):
        found = encodable(error.object) if isinstance(error, UnicodeEncodeError) else "a path or a value"
        return UsageError(f"{found} is not UTF-8 text", expected="paths and values of UTF-8 characters")
    return None


def _is_of_memory(error: BaseException) -> bool:
    # TensorFlow, where it cannot be loaded or cannot start its threads, says so in an error of another kind.
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if not isinstance(error, ImportError | RuntimeError | SystemError):
        return type(error).__name__ == "ResourceExhaustedError"
    causes = [str(error).lower(), str(error.__cause__ or "").lower(), str(error.__context__ or "").lower()]
    return any(sign in said for sign in _NO_MEMORY for said in causes)


def _name(filename: object) -> str:
    return os.fsdecode(filename) if isinstance(filename, str | bytes | os.PathLike) else ""
