"""The process that draws reports beside a training: folders of runs in, one to a line; an answer for each that is done.

`python -P -m dlrun.report PIPE`: the answers go to the open file of that number. It has imported the plotting library
while TensorFlow was starting, and does not import TensorFlow itself.
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
    """Draw what standard input asks for, until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the training, which ends this process by its end
    pipe = taken_over(sys.argv[1])
    load_library()
    for line in sys.stdin:
        try:
            write_report(RunFolder.open(Path(json.loads(line))))
            said = ""
        except DlrunError as error:
            said = error.what
        answer(pipe, said)


if __name__ == "__main__":
    main()
