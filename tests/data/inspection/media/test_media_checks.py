"""Image files that cannot be read are named, with the reason; sizes and blank images are told."""

from pathlib import Path

import numpy as np
import pytest

from dlrun.data.images.source import Images
from dlrun.data.inspection.check import find_all
from dlrun.data.inspection.inspected import inspect_source
from pictures import blocks, png, write_classes

pytestmark = pytest.mark.tensorflow


def test_corrupt_blank_and_distorted_images_are_found(tmp_path: Path) -> None:
    folder = write_classes(tmp_path / "pets", count=12)
    whole = (folder / "a" / "003.png").read_bytes()
    (folder / "a" / "half.png").write_bytes(whole[: len(whole) // 2])
    (folder / "b" / "text.png").write_bytes(b"not an image")
    (folder / "b" / "blank.png").write_bytes(png(np.full((16, 16, 3), 7, np.uint8)))
    for number in range(8):
        (folder / "b" / f"wide{number}.png").write_bytes(png(blocks(16, 64, seed=number + 500)))
    inspected = inspect_source(Images(path=str(folder), size=(16, 16)))
    found = {finding.check: finding for finding in find_all(inspected)}
    assert found["corrupt images"].status == "failure"
    assert "pets/a/half.png (it cannot be decoded)" in found["corrupt images"].said
    assert "pets/b/text.png (it is text)" in found["corrupt images"].said
    assert found["corrupt images"].said.startswith("2 files")
    assert found["blank images"].said.startswith("1 of 33")
    assert found["image sizes"].status == "warning"
    assert found["image sizes"].advice.startswith("fit: pad")
