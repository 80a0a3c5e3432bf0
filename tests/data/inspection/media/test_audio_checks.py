"""Checks of recordings name what is silent, clipped, cut, broken, or of another rate."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("soundfile")

from dlrun.data.audio.source import Audio
from dlrun.data.inspection.check import find_all
from dlrun.data.inspection.facts import describe_dataset
from dlrun.data.inspection.inspected import inspect_source
from dlrun.data.inspection.picture import draw_images
from sounds import tone, write_sound, write_tones


def findings(folder: Path, **keys: Any) -> dict[str, Any]:
    source = Audio.model_validate({"path": str(folder), "seconds": 0.1, "mel_bins": 20, **keys})
    return {finding.check: finding for finding in find_all(inspect_source(source))}


def test_sound_recordings_pass_and_bad_ones_are_named(tmp_path: Path) -> None:
    folder = write_tones(tmp_path / "data", count=30)
    found = findings(folder)
    of_sound = ("corrupt recordings", "sampling rates", "durations", "silence", "clipping")
    assert {found[check].status for check in of_sound} == {"pass"}
    assert "blank images" not in found
    write_sound(folder / "low" / "dora_silent.wav", np.zeros(800, np.float32))
    write_sound(folder / "low" / "dora_loud.flac", np.clip(tone(440, level=5.0), -1, 1))
    write_sound(folder / "low" / "dora_cd.wav", tone(440, 0.4, 44_100), 44_100)
    (folder / "high" / "broken.mp3").write_bytes(b"not sound")
    found = findings(folder, sampling_rate=8000)
    assert found["silence"].said == "1 of 63 recordings are silent: low/dora_silent.wav"
    assert (found["silence"].status, found["clipping"].status) == ("warning", "warning")
    assert found["clipping"].said.endswith("low/dora_loud.flac")
    assert found["sampling rates"].said == "files have 8,000 Hz (62), 44,100 Hz (1), the network gets 8,000 Hz"
    assert found["sampling rates"].status == "note"
    assert "high/broken.mp3 (it is text)" in found["corrupt recordings"].said
    assert found["corrupt recordings"].status == "failure"
    assert findings(folder, sampling_rate=44_100)["sampling rates"].status == "warning"
    assert findings(folder, sampling_rate=8000, seconds=0.07)["durations"].status == "warning"
    assert findings(folder, sampling_rate=8000, seconds=0.5)["durations"].status == "note"


def test_a_recording_in_two_splits_is_a_duplicate(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_tones(tmp_path / "data" / split, count=9)
    assert findings(tmp_path / "data")["duplicates test"].status == "failure"


def test_the_facts_have_the_names_of_files_and_the_picture_waveforms_and_spectrograms(tmp_path: Path) -> None:
    inspected = inspect_source(Audio(path=str(write_tones(tmp_path / "data")), seconds=0.1, mel_bins=20))
    facts = describe_dataset(inspected, samples=2)
    assert facts.features.stored_dtype == "int16"
    assert facts.examples[0].values == {"file": "high/ann_00.wav"}
    assert draw_images(inspected.dataset, tmp_path / "x.png", samples=3) == 3
    from matplotlib.image import imread

    colours = imread(tmp_path / "x.png")[..., :3].reshape(-1, 3)
    assert (np.ptp(colours, axis=1) > 0.3).any()  # spectrograms are coloured, waveforms and titles black
