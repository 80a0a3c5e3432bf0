"""`kill -9` at random moments, `dlrun resume` until the end: nothing tells the run from one that nobody killed."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count, product, starmap
from pathlib import Path
from typing import Any

import pytest

from dlrun.training.checkpoints.checkpoint import read_checkpoint
from survival_models import MODELS, OFTEN, config_of

pytestmark = [pytest.mark.tensorflow, pytest.mark.slow]


@dataclass(frozen=True)
class Case:
    """What is trained, and how often it is killed."""

    model: str
    precision: str
    jit: str
    kills: int = 0

    def __str__(self) -> str:
        return f"{self.model}-{self.precision}-jit_{self.jit}"

    def command(self, folder: Path) -> tuple[str, ...]:
        config = folder / f"{self.model}.yaml"
        lines = config_of(self.model, folder).splitlines(keepends=True)
        # XLA cannot compile what these are made of.
        refused = ("RandomTranslation", "RandomRotation", "  rotation:") if self.jit == "on" else ()
        config.write_text("".join(line for line in lines if not any(name in line for name in refused)))
        choices = ("--set", f"training.precision={self.precision}", "--set", f"training.jit={self.jit}")
        return ("train", str(config), *choices, *OFTEN)


CASES = (
    Case("mlp", "float32", "off", 4),
    Case("cnn", "bfloat16", "off", 3),
    Case("lstm", "float32", "off", 2),
    Case("shared", "bfloat16", "off", 2),
)
"""One of each kind of state, without XLA, which compiles for seconds in every process; `make soak` kills every model in
both precisions, with and without XLA."""
EVERY_CASE = tuple(starmap(Case, product(MODELS, ("float32", "bfloat16"), ("off", "on"))))


@dataclass(frozen=True)
class Survived:
    """What came of a case: of the uninterrupted run, of each that was killed and completed, and the number of kills."""

    expected: Any
    found: list[Any]
    kills: int


def survive(case: Case, folder: Path, server: Any, outcome_of: Any) -> Survived:
    """Train a case without a kill and with some; of three kills two come inside a disk operation, one at any moment."""
    moments = random.Random(str(case))
    (folder / "whole").mkdir()
    began = time.perf_counter()
    reference = server.run(*case.command(folder), folder=folder / "whole")
    seconds = time.perf_counter() - began
    assert reference.code == 0, reference.err
    found, kills, ended = [], 0, reference
    for attempt in range(3 * case.kills):
        if ended.code == 0:  # the first time, or it was too fast for the last kill
            killed = folder / f"killed-{attempt}"
            killed.mkdir()
        # So that they spread over the run, and the only one does not come after it.
        at = int(moments.uniform(1, min(1.5 / case.kills, 1) * reference.operations))
        by_operation = attempt % 3 != 1
        command, kill_at = next_command(case, folder, killed), at if by_operation else None
        process = server.start(*command, folder=killed, kill_at=kill_at)
        if not by_operation:
            time.sleep(moments.uniform(0.3, 0.8) * seconds)
            process.signal(signal.SIGKILL)
        ended = process.wait()
        assert ended.code in {0, -signal.SIGKILL}, ended.err
        kills += ended.code != 0
        if kills == case.kills:
            ended = server.run(*next_command(case, folder, killed), folder=killed)
            assert ended.code == 0, ended.err
        if ended.code == 0:
            found.append(outcome_of(newest_run(killed)))
            for checkpoint in newest_run(killed).glob("checkpoints/[!.]*"):
                read_checkpoint(checkpoint)
        if kills == case.kills:
            break
    return Survived(outcome_of(newest_run(folder / "whole")), found, kills)


def next_command(case: Case, folder: Path, killed: Path) -> tuple[str, ...]:
    """Resume, or train again if the kill came before the run had a spec."""
    return ("resume", "last") if any(killed.glob("runs/*/spec.yaml")) else case.command(folder)


def newest_run(folder: Path) -> Path:
    return max((path.parent for path in folder.glob("runs/*/spec.yaml")), key=lambda run: run.stat().st_mtime)


@pytest.fixture(scope="module")
def sweep(
    dlrun: Any, outcome_of: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Case, Future[Survived]]]:
    """Every case, on its way: two at a time."""
    with ThreadPoolExecutor(2) as pool:
        folders = {case: tmp_path_factory.mktemp("case") for case in CASES}
        yield {case: pool.submit(survive, case, folder, dlrun, outcome_of) for case, folder in folders.items()}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_run_that_was_killed_ends_as_if_it_had_not_been(case: Case, sweep: dict[Case, Future[Survived]]) -> None:
    survived = sweep[case].result()
    assert survived.found == [survived.expected] * max(1, len(survived.found))


def test_every_kill_came_before_the_end_of_its_run(sweep: dict[Case, Future[Survived]]) -> None:
    assert {case: future.result().kills for case, future in sweep.items()} == {case: case.kills for case in CASES}


def test_a_run_killed_twice_while_its_spec_is_written_is_still_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dlrun.runs.folder import RunFolder
    from dlrun.runs.provenance.trust import is_own, sign

    monkeypatch.setenv("DLRUN_STATE", str(tmp_path / "state"))
    folder = RunFolder.create(tmp_path, name="small")
    sign(folder, "name: small\n")
    folder.write_text(folder.spec_yaml, "name: small\n")
    for _ in range(2):
        sign(folder, "name: small\nseed: 0\n")  # and the process ends before it writes the spec
        assert is_own(folder)
    folder.write_text(folder.spec_yaml, "name: small\nseed: 0\n")
    assert is_own(folder)


def soak(case: Case, folder: Path, kills: int, outcome_of: Any) -> Iterator[tuple[int, bool]]:
    """Kill processes of `python -m dlrun` at random moments, and yield for each completed run: its kills, and whether
    it is identical to one that was not interrupted.
    """
    moments = random.Random(str(case))
    began = time.perf_counter()
    assert finished(case.command(folder), folder / "whole")
    seconds = time.perf_counter() - began
    expected = outcome_of(newest_run(folder / "whole"))
    done = 0
    for number in count():
        if done >= kills:
            return
        killed, of_run = folder / f"killed-{number}", 0
        command = case.command(folder)
        while done + of_run < kills and of_run < 8:
            # From the import of TensorFlow to the very end, which a resumed run reaches sooner.
            if finished(command, killed, seconds=moments.uniform(0.3, 1.0) * seconds):
                break
            of_run += 1
            command = next_command(case, folder, killed)
        assert finished(command, killed)
        done += of_run
        yield of_run, outcome_of(newest_run(killed)) == expected


def finished(command: tuple[str, ...], folder: Path, *, seconds: float | None = None) -> bool:
    """Run dlrun, for so many seconds at most and then `kill -9`; whether it ended by itself."""
    folder.mkdir(exist_ok=True)
    with (folder / "output.txt").open("w") as output:
        process = subprocess.Popen([sys.executable, "-m", "dlrun", *command], cwd=folder, stdout=output, stderr=output)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return False
    assert code == 0, (folder / "output.txt").read_text()
    return True


@pytest.mark.soak
def test_hundreds_of_kills_leave_no_trace(
    tmp_path: Path, outcome_of: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """DLRUN_SOAK_KILLS says how many; 500 take about an hour on two cores."""
    monkeypatch.setenv("DLRUN_STATE", str(tmp_path / "state"))
    kills = int(os.environ.get("DLRUN_SOAK_KILLS", "500"))
    number = len(EVERY_CASE)
    shares = {case: kills * (at + 1) // number - kills * at // number for at, case in enumerate(EVERY_CASE)}

    def soaked(case: Case) -> list[tuple[int, bool]]:
        folder = tmp_path / str(case)
        folder.mkdir()
        return list(soak(case, folder, shares[case], outcome_of))

    cases = [case for case in EVERY_CASE if shares[case]]
    with ThreadPoolExecutor(2) as pool, capsys.disabled():
        print("\n| model | precision | jit | kills | runs | identical |\n|---|---|---|---|---|---|")  # noqa: T201
        for case, runs in zip(cases, pool.map(soaked, cases), strict=True):
            identical = sum(same for _, same in runs)
            cells = (case.model, case.precision, case.jit, sum(run[0] for run in runs), len(runs), identical)
            print(f"| {' | '.join(map(str, cells))} |", flush=True)  # noqa: T201
            assert identical == len(runs)
