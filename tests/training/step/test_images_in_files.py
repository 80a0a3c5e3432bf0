"""Images that do not fit into memory are stored in a file and trained on in bounded memory."""

from pathlib import Path

import numpy as np
import pytest

from pictures import png

pytestmark = pytest.mark.tensorflow

_COUNT, _SIDE = 120, 512
_DECODED = _COUNT * _SIDE * _SIDE * 3


def memory(key: str) -> int:
    """Return a memory value: VmRSS is the current one, VmHWM the largest so far."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1]) << 10


def test_loading_and_feeding_images_takes_memory_that_does_not_grow_with_their_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dlrun.training.step.feed as module
    from dlrun.data.images.source import Images

    monkeypatch.setenv("DLRUN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("dlrun.data.media.loading.free_memory", lambda: _DECODED)
    monkeypatch.setattr("dlrun.data.image_files.decoding._BATCH_BYTES", 2**21)
    monkeypatch.setattr(module, "CHUNK_BYTES", 2**22)
    for number in range(_COUNT):
        folder = tmp_path / "images" / f"class {number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.png").write_bytes(png(np.full((_SIDE, _SIDE, 3), number, np.uint8)))
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "0.png").write_bytes(png(np.zeros((4, 4, 3), np.uint8)))
    Images.model_validate({"path": str(tmp_path / "one")}).load()  # what TensorFlow takes once
    source = Images.model_validate({"path": str(tmp_path / "images"), "validation": 0.1})
    Path("/proc/self/clear_refs").write_text("5")  # the most that it has held begins anew
    before = memory("VmRSS")
    dataset = source.load()
    split, target = dataset.splits["train"], dataset.target
    assert isinstance(split.features, np.memmap)
    assert target is not None
    fed = module.Feed(split, target=target, preprocess=dataset.preprocess.build(), resident=False)
    order = module.epoch_order(len(split), seed=0, epoch=0, shuffle=True)
    seen = []
    for step_range in fed.step_ranges(order, batch_size=4, last_step=len(split) // 4):
        seen += [int(value) for value in step_range.rows[0][0][:, 0, 0, 0]]
    assert split.origins is not None
    numbers = [int(Path(name).stem) for name in split.origins]
    assert seen == [numbers[index] for index in order]
    assert memory("VmHWM") - before < 0.5 * _DECODED
