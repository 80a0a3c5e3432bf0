"""Run checks one after another, each in a process of its own, so that no failure of one loses the table."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from dlrun.gpu_check.check import Check, CheckPlace, CheckRow, CheckVerdict, Found
from dlrun.system.interpreter import answer_pipe, python_command, python_environment

_LONGEST_REASON = 300
_LOG = re.compile(r"[IWEF]\d{4} |\d{4}-\d\d-\d\d |WARNING: All log messages")
"""The first characters of what TensorFlow's C++ libraries log."""
_REHEARSAL_PATIENCE = 5
"""How many times as long a program may take if a CPU stands in for the GPU."""

Measure = Callable[[Check, CheckPlace], Found]


class MeasurementError(Exception):
    """A program did not measure what it should: its process crashed, ended with an error, or took too long."""


def run_checks(checks: Sequence[Check], place: CheckPlace, *, measure: Measure | None = None) -> Iterator[CheckRow]:
    """Run checks, and yield each row of the table as soon as its check has ended.

    Args:
        checks: The checks.
        place: Where they run; each gets a folder of its own inside that of the place.
        measure: Runs the program of a check; None for a real process.
    """
    closed = ""
    for number, check in enumerate(checks):
        if reason := closed or check.hindrance(place):
            yield CheckRow(check.name, CheckVerdict("-", reason), 0.0)
            continue
        started = time.perf_counter()
        folder = place.folder / str(number)
        folder.mkdir(parents=True)
        verdict = _verdict(check, replace(place, folder=folder), measure or measure_in_process)
        yield CheckRow(check.name, verdict, time.perf_counter() - started)
        if check.is_gate and verdict.status == "failed":
            closed = f"needs: {check.name}"


def _verdict(check: Check, place: CheckPlace, measure: Measure) -> CheckVerdict:
    try:
        found = measure(check, place)
    except MeasurementError as error:
        return CheckVerdict("failed", str(error))
    try:
        return check.judge(found)
    except (KeyError, TypeError, ValueError) as error:
        return CheckVerdict("failed", f"its program did not measure {error}")


def measure_in_process(check: Check, place: CheckPlace) -> Found:
    """Run the program of a check, and return what it has measured.

    Args:
        check: The check.
        place: Where it runs, with a folder of its own.

    Raises:
        MeasurementError: The process crashed, ended with an error, took too long, or answered nothing.
    """
    with answer_pipe() as answer, tempfile.TemporaryFile() as errors:
        given = (place.device, str(place.count), str(place.folder), answer.argument)
        process = subprocess.Popen(  # noqa: S603  dlrun itself, without a shell
            python_command(*check.program, *given),
            cwd=place.folder,
            env=python_environment({"TF_CPP_MIN_LOG_LEVEL": "2"}),
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            pass_fds=answer.inherited,
            start_new_session=True,  # a check that takes too long is ended with all processes that it has started
        )
        seconds = check.seconds * (_REHEARSAL_PATIENCE if place.is_rehearsal else 1)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _end_group(process)
        found = answer.read()
        errors.seek(0)
        words = _last_words(errors.read().decode(errors="replace"))
    if code is None:
        raise MeasurementError(f"took longer than {seconds} s{words and f': {words}'}")
    if code < 0:
        raise MeasurementError(f"crashed ({signal.Signals(-code).name}){words and f': {words}'}")
    if code or not isinstance(found, dict):
        raise MeasurementError(words or f"ended with exit code {code} and without an answer")
    if "error" in found:
        raise MeasurementError(str(found["error"]))
    return found


def _end_group(process: subprocess.Popen[Any]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _last_words(printed: str) -> str:
    lines = [line.strip() for line in printed.splitlines() if line.strip() and not _LOG.match(line)]
    errors = [line for line in lines if line.partition(":")[0].endswith(("Error", "Exception", "error"))]
    return (errors or lines or [""])[-1][:_LONGEST_REASON]


def make_folder() -> tempfile.TemporaryDirectory[str]:
    """Return a new folder for everything that the checks write; it goes when they are done."""
    return tempfile.TemporaryDirectory(prefix="dlrun-gpu-", ignore_cleanup_errors=True)


def find_place(*, rehearses: bool, folder: Path) -> CheckPlace:
    """Return where the checks run: on the GPUs that this process sees, or, as a rehearsal, on the CPU.

    Args:
        rehearses: Whether the CPU stands in for the GPU.
        folder: An empty folder.
    """
    from dlrun.runs.provenance.machine import usable_cores
    from dlrun.training.devices.gpus import visible_gpus

    if rehearses:
        return CheckPlace("cpu", usable_cores(), folder)
    return CheckPlace("gpu", len(visible_gpus()), folder)
