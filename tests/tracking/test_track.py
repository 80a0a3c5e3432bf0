"""The events of a run reach its tracker, and no failure of the tracker affects the run."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlrun.errors import Interrupted, RunError
from dlrun.experiment.record import create_folder, recording
from dlrun.experiment.track import tracking
from dlrun.runs.folder import RunFolder
from dlrun.spec.parse import read_spec
from dlrun.training.progress.events import EpochDone, Evaluated, Event, Note, TrainingStarted

Lines = Callable[[], list[dict[str, Any]]]
STARTED = TrainingStarted(10, {"train": 8}, 3, 24)


def row(epoch: int) -> dict[str, float | int]:
    return {"epoch": epoch, "step": 8 * epoch, "examples_per_second": 9.0, "loss": 1 / epoch, "val_loss": float("nan")}


class Run:
    """A run as training makes it, without training: its folder, and everything that the user is told."""

    def __init__(self, config: Path, *overrides: str, folder: RunFolder | None = None) -> None:
        where = f"tracking.path={config.with_name('lines.jsonl')}"
        settings = ("tracking.type=lines", where, *(f"tracking.{key}" for key in overrides))
        self.file = read_spec(config, settings)
        self.folder = folder or create_folder(self.file, config.parent / "runs")
        self.events: list[Event] = []
        self.threads: set[threading.Thread] = set()

    def heard(self, event: Event) -> None:
        self.events.append(event)
        self.threads.add(threading.current_thread())

    def train(self, *epochs: int, error: BaseException | None = None, seconds: float = 0.0) -> None:
        """Go through the events of some epochs, then end, or fail."""
        with tracking(self.file, self.folder, self.heard, wanted=True) as listener, recording(self.folder):
            events: list[Event] = [STARTED]
            events += [EpochDone(epoch, 3, row(epoch), is_best=True) for epoch in epochs]
            for event in events:
                if isinstance(event, EpochDone):
                    self.folder.append_metrics(event.row)
                self.listened(listener, event)
                time.sleep(seconds)
            if error is not None:
                raise error
            self.listened(listener, Evaluated("test", {"accuracy": 0.5}))
            self.folder.update_record(weights_sha256="ab" * 32)

    def listened(self, listener: Callable[[Event], None], event: Event) -> None:
        listener(event)

    def notes(self) -> list[tuple[str, str]]:
        return [(event.subject, event.text) for event in self.events if isinstance(event, Note)]


def test_a_run_is_logged_from_its_params_to_its_files(config: Path, lines: Lines) -> None:
    run = Run(config, "log_checkpoints=true")
    (run.folder.checkpoints / "best").mkdir(parents=True)
    (run.folder.checkpoints / "best" / "state.json").write_text("{}")
    run.train(1, 2)
    first, *rest = lines()
    assert (first["kind"], first["id"], first["known_id"]) == ("open", f"journal of {run.folder.id}", None)
    assert first["parent"] is None
    assert first["params"]["training.batch_size"] == "216"
    assert first["params"]["model.units"] == "[16]"
    assert not any(key.startswith("tracking") for key in first["params"])
    assert first["tags"]["run_id"] == run.folder.id
    assert [line["row"]["epoch"] for line in rest[:2]] == [1, 2]
    assert rest[0]["row"].keys() == row(1).keys()
    assert rest[2] == {"kind": "scores", "scores": {"test_accuracy": 0.5}, "epoch": 2}
    tags = {"status": "completed", "weights_sha256": "ab" * 32}
    assert rest[3] == {"kind": "end", "ending": "completed", "tags": tags}
    names = [line["name"] for line in rest[4:]]
    assert names == ["config.yaml", "spec.yaml", "run.json", "metrics.jsonl", "checkpoints/best/state.json"]
    assert run.notes() == [("tracking", "lines: a file"), ("tracking", "lines: all is well")]
    record = run.folder.read_record().tracking
    assert record is not None
    assert (record.type, record.id, record.place) == ("lines", f"journal of {run.folder.id}", "a file")


def test_checkpoints_are_logged_only_on_request(config: Path, lines: Lines) -> None:
    run = Run(config)
    (run.folder.checkpoints / "best").mkdir(parents=True)
    (run.folder.checkpoints / "best" / "state.json").write_text("{}")
    run.train(1)
    assert not any("checkpoints" in line.get("name", "") for line in lines())
    assert any(line.get("name") == "run.json" for line in lines())


@pytest.mark.parametrize(
    ("error", "ending"), [(RunError("no number any more"), "failed"), (Interrupted("stopped"), "interrupted")]
)
def test_a_run_that_does_not_complete_is_logged_as_such(
    error: RunError, ending: str, config: Path, lines: Lines
) -> None:
    run = Run(config)
    with pytest.raises(type(error)):
        run.train(1, error=error)
    (end,) = (line for line in lines() if line["kind"] == "end")
    assert (end["ending"], end["tags"]) == (ending, {"status": ending})


def test_a_resumed_run_continues_in_the_tracker_and_logs_what_is_missing(config: Path, lines: Lines) -> None:
    first = Run(config, "fails=epoch")
    with pytest.raises(Interrupted):
        first.train(1, 2, error=Interrupted("stopped"), seconds=0.2)
    assert [line["kind"] for line in lines()] == ["open"]
    again = Run(config, folder=first.folder)
    again.train(3)
    opened = [line for line in lines() if line["kind"] == "open"]
    assert [line["id"] for line in opened] == [f"journal of {first.folder.id}"] * 2
    assert opened[1]["known_id"] == opened[0]["id"]
    epochs = [line["row"] for line in lines() if line["kind"] == "epoch"]
    assert [each["epoch"] for each in epochs] == [1, 2, 3]
    assert epochs[0]["val_loss"] is None
    Run(config, folder=first.folder).train(4)
    assert [line["row"]["epoch"] for line in lines() if line["kind"] == "epoch"] == [1, 2, 3, 4]


def test_epochs_that_a_killed_run_repeats_are_not_logged_twice(config: Path, lines: Lines) -> None:
    first = Run(config)
    first.train(1, 2, 3)
    first.folder.history.cut(0)  # back to before its newest checkpoint
    Run(config, folder=first.folder).train(1, 2, 3, 4)
    assert [line["row"]["epoch"] for line in lines() if line["kind"] == "epoch"] == [1, 2, 3, 4]


def test_a_failing_tracker_is_reported_once_and_the_run_continues(config: Path, lines: Lines) -> None:
    run = Run(config, "fails=epoch")
    run.train(1, 2, 3, seconds=0.2)
    warnings = [text for subject, text in run.notes() if subject == "warning"]
    assert warnings == ["tracking: nothing more is logged to lines: http://host says no to epoch"]
    assert [event.epoch for event in run.events if isinstance(event, EpochDone)] == [1, 2, 3]
    assert [line["kind"] for line in lines()] == ["open"]
    assert run.folder.read_record().status == "completed"


def test_a_failure_at_the_last_line_is_reported_at_the_end(config: Path) -> None:
    run = Run(config, "fails=file")
    run.train(1)
    assert run.notes()[-1] == (
        "warning",
        "tracking: nothing more is logged to lines: http://host says no to file",
    )


def test_a_slow_tracker_delays_no_event_and_the_end_only_up_to_wait_seconds(config: Path, lines: Lines) -> None:
    run = Run(config, "slow=3.0", "wait_seconds=0.2")
    run.train(1, 2, 3)
    # Had an event, or the end, waited for the tracker, that would have logged its first line by now.
    assert lines() == []
    assert run.notes() == [("warning", "tracking lines: the end of the run was not logged")]


def test_the_end_waits_as_long_as_the_tracker_makes_progress(config: Path, lines: Lines) -> None:
    run = Run(config, "slow=0.2", "wait_seconds=1.0")
    run.train(1, 2, 3)
    assert len(lines()) == 10
    assert not [text for subject, text in run.notes() if subject == "warning"]


def test_the_listener_is_only_called_by_the_thread_of_the_run(config: Path) -> None:
    run = Run(config)
    run.train(1, 2, seconds=0.1)
    assert run.threads == {threading.main_thread()}


def test_a_run_that_fails_before_its_first_step_is_not_tracked(config: Path, lines: Lines) -> None:
    run = Run(config)
    with (
        pytest.raises(RunError),
        tracking(run.file, run.folder, run.heard, wanted=True),
        recording(run.folder),
    ):
        raise RunError("no data")
    assert lines() == []


def test_only_the_chief_tracks(config: Path) -> None:
    run = Run(config)
    with tracking(run.file, run.folder, run.heard, wanted=False) as listener:
        assert listener == run.heard
