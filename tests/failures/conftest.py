"""Small trainings that can be made to fail in the middle."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dlrun.experiment.session import TrainingResult
from dlrun.experiment.train import train
from dlrun.runs.folder import RunFolder
from dlrun.training.progress.events import Event, Note, RunCreated

CONFIG = """\
name: small
dataset: {type: builtin, name: wine, validation: 0.2}
model: {type: mlp, units: [4]}
loss: sparse_categorical_crossentropy
training: {batch_size: 16, epochs: 4, jit: off, precision: float32, report: false}
"""


@dataclass
class Small:
    """One training of the small model; `train` starts it, and `on` makes something happen at an event."""

    folder: Path
    trainers: list[Any]
    reactions: list[Callable[[Event], None]] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    run: RunFolder | None = None

    def on(self, kind: type[Event], react: Callable[[Any], object], **wanted: object) -> None:
        """React to the events of a kind whose fields have the values wanted."""

        def reaction(event: Event) -> None:
            if isinstance(event, kind) and all(getattr(event, name) == value for name, value in wanted.items()):
                react(event)

        self.reactions.append(reaction)

    def listen(self, event: Event) -> None:
        if isinstance(event, RunCreated):
            self.run = RunFolder(event.folder)
        if isinstance(event, Note):
            self.notes.append(event)
        for reaction in self.reactions:
            reaction(event)

    def train(self, *overrides: str, runs_dir: Path | None = None) -> TrainingResult:
        place = runs_dir or self.folder / "runs"
        return train(self.folder / "small.yaml", overrides=overrides, runs_dir=place, listener=self.listen)

    @property
    def model(self) -> Any:
        return self.trainers[-1].model

    @property
    def found(self) -> RunFolder:
        assert self.run is not None
        return self.run

    def steps(self) -> Mapping[str, Any]:
        """The sound checkpoints, by name."""
        from dlrun.training.checkpoints.checkpoint import read_checkpoint

        return {path.name: read_checkpoint(path) for path in sorted(self.found.checkpoints.glob("step-*"))}


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Small:
    from dlrun.training.loop import Trainer

    monkeypatch.setenv("DLRUN_STATE", str(tmp_path / "state"))
    (tmp_path / "small.yaml").write_text(CONFIG)
    made, begin = Small(tmp_path, []), Trainer.__init__

    def remembered(self: Trainer, *arguments: Any, **named: Any) -> None:
        made.trainers.append(self)
        begin(self, *arguments, **named)

    monkeypatch.setattr(Trainer, "__init__", remembered)
    monkeypatch.setattr(
        "dlrun.training.checkpoints.saving._TIMES", 0.0
    )  # a checkpoint of every epoch, however short it is
    return made


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunFolder]:
    """A run that has ended, for tests that only read it."""
    folder = tmp_path_factory.mktemp("complete")
    (folder / "small.yaml").write_text(CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLRUN_STATE", str(folder / "state"))
        yield train(folder / "small.yaml", runs_dir=folder / "runs").folder
