"""Train a config as a trial, as the process of a search does: `trial_process.py CONFIG EPOCH [KEY=VALUE...]`.

A run that is there already goes on. It pauses after the epoch; 0 for no pause.
"""

import sys
from pathlib import Path

from dlrun.errors import Paused
from dlrun.experiment.resume import ResumeOptions, resume_run
from dlrun.experiment.train import train_file
from dlrun.experiment.trial import Trial
from dlrun.runs.folder import RunFolder
from dlrun.spec.parse import read_spec
from dlrun.training.progress.events import silent
from dlrun.training.progress.timeline import Timeline

config, epoch, *overrides = sys.argv[1:]
trial = Trial("soak", 1, int(epoch) or None)
begun = sorted(Path("runs").glob("*/spec.yaml"))
try:
    if begun:
        resume_run(RunFolder(begun[-1].parent), ResumeOptions(), listener=silent, timeline=Timeline(), trial=trial)
    else:
        train_file(read_spec(Path(config), tuple(overrides)), runs_dir=Path("runs"), listener=silent, trial=trial)
except Paused as pause:
    sys.stderr.write(pause.what)
