"""The process that draws reports during training. It reads run folders, one per line, and confirms each report.

`python -P -m dlrun.report PIPE` writes the confirmations to the file descriptor PIPE. The process imports the plotting
library while TensorFlow starts in the training process, and does not import TensorFlow itself.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

from dlrun.errors import DlrunError
from dlrun.report.drawing import load_library
from dlrun.report.writing import write_report
from dlrun.runs.folder import RunFolder
from dlrun.system.interpreter import answer, taken_over


def main() -> None:
    """Draw a report for each run folder on standard input until the input ends."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C is for the training process, which ends this one by closing its input
    pipe = taken_over(sys.argv[1])
    load_library()
    for line in sys.stdin:
        try:
            write_report(RunFolder.open(Path(json.loads(line))))
            failure = ""
        except DlrunError as error:
            failure = error.what
        answer(pipe, failure)


if __name__ == "__main__":
    main()
