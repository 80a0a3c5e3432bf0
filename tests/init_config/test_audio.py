"""A config for sound: recognized in folders and lists, with a length and a rate that fit the files."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("soundfile")

from dlrun.init_config.draft import Wishes
from dlrun.init_config.write import write_config
from dlrun.spec.parse import read_spec
from sounds import tone, write_sound, write_tones
from written_configs import check_fits


def written(data: Path, tmp_path: Path, **wishes: Any) -> dict[str, Any]:
    path = write_config(str(data), tmp_path / "x.yaml", Wishes(**wishes), force=True).path
    return read_spec(path).spec.plain()


def test_a_folder_and_a_list_of_sound_files_are_recognized(tmp_path: Path) -> None:
    write_tones(tmp_path / "tones", count=40, seconds=0.5)
    write_sound(tmp_path / "tones" / "low" / "dora_cd.flac", tone(440, 3.0, 44_100), 44_100)
    spec = written(tmp_path / "tones", tmp_path)
    dataset = spec["dataset"]
    assert (dataset["type"], dataset["sampling_rate"], dataset["seconds"]) == ("audio", 8000, 0.5)
    assert (spec["model"]["type"], spec["schedule"]["type"]) == ("cnn", "cosine")
    rows = "".join(f"{path},{path.stem[0]},{len(path.name)}\n" for path in sorted(tmp_path.rglob("*.wav")))
    (tmp_path / "list.csv").write_text("recording,who,size\n" + rows)
    listed = written(tmp_path / "list.csv", tmp_path, target="who")["dataset"]
    assert (listed["type"], listed["audio_column"], listed["label_column"]) == ("audio", "recording", "who")
    assert written(tmp_path / "list.csv", tmp_path, target="who", kind="audio")["dataset"] == listed
    (tmp_path / "tones" / "low" / "broken.wav").write_bytes(b"")
    assert written(tmp_path / "tones", tmp_path)["dataset"]["corrupt"] == "skip"


@pytest.mark.tensorflow
def test_sound_fits_its_config(tmp_path: Path) -> None:
    write_tones(tmp_path / "tones", count=20, seconds=0.5)
    check_fits(write_config(str(tmp_path / "tones"), tmp_path / "x.yaml", Wishes()).path)
