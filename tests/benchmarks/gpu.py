"""Everything that dlrun claims about GPUs, checked on those of this machine; prints one Markdown table to paste.

    python tests/benchmarks/gpu.py [--device cpu] [--only NAME,...] [--markdown FILE]

`make gpu` runs it, in about ten minutes on one GPU. Each check is a process of its own with a time limit, and needs no
network. `--device cpu` is a rehearsal: every check that can runs on the CPU, and the table says so. PyTorch takes part
if it is installed, or if DLRUN_BENCH_TORCH is a Python that has it. The exit code is 1 if a check has failed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dlrun.gpu_check import table
from dlrun.gpu_check.check import Check, CheckRow, CheckVerdict, Found
from dlrun.gpu_check.checks import CHECKS
from dlrun.gpu_check.running import find_place, make_folder, run_checks

SPEED = Path(__file__).with_suffix("") / "speed.py"
CONTESTANTS = {"dlrun": "dlrun", "fit": "fit", "torch": "PyTorch"}


def judge_speed(found: Found) -> CheckVerdict:
    """Pass if every contestant came to its end; the table has the examples per second of each."""
    problems, texts = [], []
    for key, name in CONTESTANTS.items():
        measured = found.get(key)
        if measured is None:
            texts.append(f"{name} is not installed")
        elif "error" in measured:
            problems.append(f"{name}: {measured['error']}")
        else:
            ratio = found["dlrun"]["examples_per_second"] / measured["examples_per_second"]
            beside = "" if key == "dlrun" else f" (dlrun {ratio:.1f}x)"
            texts.append(
                f"{name} {measured['examples_per_second']:,.0f}/s{beside}, {measured['waits']:.0%} waiting for data"
            )
    how = f"batches of {found['batch_size']}, {found['precision']}, dlrun's XLA {found['jit']}"
    return CheckVerdict.of(problems, f"{'; '.join(texts)} ({how})")


SPEED_CHECKS = tuple(
    Check(f"speed of {work}", (str(SPEED), work), judge_speed, seconds=240)
    for work in ("mnist_cnn", "cifar_images_cnn", "sequence_lstm")
)


def main() -> int:
    """Run the checks, print the table, and tell whether all have passed."""
    parser = argparse.ArgumentParser(description="Check everything about GPUs.")
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu", help="cpu: a rehearsal")
    parser.add_argument("--only", help="parts of the names of checks, separated by commas")
    parser.add_argument("--markdown", type=Path, help="write the table to this file too")
    given = parser.parse_args()
    checks = [*CHECKS, *SPEED_CHECKS]
    if given.only:
        wanted = given.only.split(",")
        checks = [check for check in checks if any(part in check.name for part in wanted)]
        if not checks:
            parser.error(f"no check is called {given.only}")
    rows: list[CheckRow] = []
    lines: list[str] = []

    def show(text: str) -> None:
        lines.append(text)
        print(text, flush=True)

    with make_folder() as folder:
        place = find_place(rehearses=given.device == "cpu", folder=Path(folder))
        show(f"{table.describe_machine(place)}\n\n{table.header()}")
        for row in run_checks(checks, place):
            rows.append(row)
            show(table.line(row, place))
    show(f"\n{table.count(rows)}")
    if given.markdown:
        given.markdown.write_text("\n".join(lines) + "\n")
    return 1 if any(row.verdict.status == "failed" for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
