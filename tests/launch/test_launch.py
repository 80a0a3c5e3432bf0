"""What `dlrun launch` refuses before it starts a process."""

from pathlib import Path

import pytest

from dlrun.errors import UsageError
from dlrun.launch.launch import LaunchOptions, launch_training


def test_folds_are_not_trained_by_several_workers(tmp_path: Path) -> None:
    config = tmp_path / "x.yaml"
    config.write_text(
        "dataset: {type: builtin, name: wine}\nmodel: linear\nloss: sparse_categorical_crossentropy\nfolds: 3\n"
    )
    options = LaunchOptions(workers=2, runs_dir=tmp_path, overrides=(), arguments=())
    with pytest.raises(UsageError, match="has folds, each of which is a run that trains in one process"):
        launch_training(config, options)
