"""The batch sizes that errors suggest are tried until one works."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dlrun.errors import RunError
from dlrun.gpu_check import memory
from dlrun.gpu_check.check import CheckPlace
from dlrun.training.failures import out_of_memory


@pytest.mark.parametrize(
    ("fits", "sizes"), [(512, [2048, 1024, 512]), (4096, [2048]), (0, [2048, 1024, 512, 256, 128, 64, 32, 16])]
)
def test_each_error_names_the_next_size(
    fits: int, sizes: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(place: CheckPlace, config: Mapping[str, Any], override: str) -> dict[str, Any]:  # noqa: ARG001
        size = int(override.removeprefix("training.batch_size="))
        if size > fits:
            raise out_of_memory("training.batch_size", size)
        return {}

    monkeypatch.setattr(memory, "train_here", train)
    tries = memory.follow_hints(CheckPlace("gpu", 1, tmp_path), {})
    assert [size for size, _ in tries] == sizes
    assert (not tries[-1][1]) == (fits > 0)
    assert memory.judge_limit({"tries": tries, "layers": 3}).status == ("ok" if fits == 512 else "failed")


def test_another_error_ends_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def train(*_: object) -> None:
        raise RunError("the loss became nan", hint="lower the learning rate")

    monkeypatch.setattr(memory, "train_here", train)
    assert memory.follow_hints(CheckPlace("gpu", 1, tmp_path), {}) == [[2048, "the loss became nan"]]
