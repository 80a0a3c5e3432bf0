"""A config for images."""

from pathlib import Path

import numpy as np
import pytest

from dlrun.init_config.draft import Wishes
from dlrun.init_config.write import write_config
from dlrun.spec.parse import read_spec
from dlrun.yaml_tree.source import read_yaml
from pictures import blocks, saved, write_classes
from written_configs import check_fits, write


def test_image_regression_has_no_dropout_and_no_zoom(tmp_path: Path) -> None:
    files = [f"{name}/{number:03}.png" for name in "ab" for number in range(20)]
    write_classes(tmp_path, count=20)
    (tmp_path / "images.csv").write_text(
        "path,size,kind\n" + "".join(f"{f},{n / 7},{f[0]}\n" for n, f in enumerate(files))
    )
    pixels = np.zeros((40, 16, 16, 3), np.uint8)
    np.savez(tmp_path / "numbers.npz", x=pixels, y=np.linspace(0, 1, 40, dtype=np.float32))
    np.savez(tmp_path / "classes.npz", x=pixels, y=np.arange(40) % 2)
    for name, target, is_value in (
        ("images.csv", "size", True),
        ("images.csv", "kind", False),
        ("numbers.npz", "", True),
        ("classes.npz", "", False),
    ):
        path = write_config(str(tmp_path / name), tmp_path / "x.yaml", Wishes(target=target), force=True).path
        spec = read_spec(path).spec.plain()
        assert (spec["model"]["type"], spec["model"]["dropout"] > 0) == ("cnn", not is_value)
        if name == "images.csv":
            assert (spec["dataset"]["augmentation"]["zoom"] > 0) == (not is_value)


def test_a_row_of_images_is_not_mistaken_for_column_names(tmp_path: Path) -> None:
    write_classes(tmp_path, count=20)
    rows = "".join(f"{name}/{number:03}.png,{number}.5\n" for name in "ab" for number in range(20))
    (tmp_path / "bare.csv").write_text(rows)
    written = write_config(str(tmp_path / "bare.csv"), tmp_path / "x.yaml", Wishes())
    assert written.messages[0].startswith("header: false, because the first line looks like a data row ('a/")
    described = read_spec(written.path).spec.dataset.describe()
    assert described is not None
    assert sum(described.examples.values()) == 40
    (tmp_path / "odd.csv").write_text("not/there.png,b.png\n" + rows)
    assert write_config(str(tmp_path / "odd.csv"), tmp_path / "y.yaml", Wishes()).path.exists()


@pytest.mark.tensorflow
def test_images_fit_their_config(odd_files: dict[str, tuple[str, Wishes]], tmp_path: Path) -> None:
    check_fits(write(odd_files, "pets", tmp_path).path)


@pytest.mark.tensorflow
def test_a_folder_of_webp_tiff_and_ppm_is_one_of_images_and_a_heic_in_it_is_left_out(tmp_path: Path) -> None:
    for label, name in enumerate("ab"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number, file_format in enumerate(("WEBP", "TIFF", "PPM") * 4):
            path = tmp_path / "pets" / name / f"{number}.{file_format.lower()}"
            path.write_bytes(saved(blocks(32, 32, seed=100 * label + number), file_format))
    (tmp_path / "pets" / "a" / "photo.heic").write_bytes(b"\0\0\0\x18ftypheic")
    written_config = write_config(str(tmp_path / "pets"), tmp_path / "pets.yaml", Wishes())
    document, problems = read_yaml(written_config.path)
    assert not problems
    assert document is not None
    dataset = document.plain()["dataset"]
    assert (dataset["type"], dataset["corrupt"]) == ("images", "skip")
    check_fits(written_config.path)
