"""The process that draws the page of a search: `python -P -m dlrun.search.page PIPE`.

It reads the outcome as JSON from standard input, and answers through the file descriptor PIPE with an empty text, or
with why there is no page.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

from dlrun.errors import DlrunError
from dlrun.search.page.process import read_plain_outcome
from dlrun.search.page.writing import draw_search_page
from dlrun.system.interpreter import answer, taken_over


def main() -> None:
    """Draw the page of the search on standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the search, which ends this process
    pipe = taken_over(sys.argv[1])
    task = json.load(sys.stdin)
    try:
        draw_search_page(read_plain_outcome(task["outcome"]), path=Path(task["path"]))
        failure = ""
    except DlrunError as error:
        failure = error.what
    answer(pipe, failure)


if __name__ == "__main__":
    main()
