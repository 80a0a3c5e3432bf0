"""The worker that a launch blames for its end."""

import subprocess
import sys

from dlrun.launch.workers import Worker, failed_worker


def ended_worker(index: int, code: str) -> Worker:
    process = subprocess.Popen([sys.executable, "-S", "-c", f"import os; {code}"])
    process.wait()
    return Worker(index, process, None)


def test_a_killed_worker_is_the_cause_even_if_the_chief_has_also_ended_with_an_error() -> None:
    chief, killed = ended_worker(0, "os._exit(1)"), ended_worker(1, "os.kill(os.getpid(), 9)")
    assert failed_worker([chief, killed]) is killed


def test_of_workers_with_errors_the_first_is_the_cause_and_success_is_none() -> None:
    done, failed = ended_worker(0, "os._exit(0)"), ended_worker(1, "os._exit(1)")
    assert failed_worker([done, failed]) is failed
    assert failed_worker([done]) is None
