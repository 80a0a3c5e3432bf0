"""Sound files for a prediction: `read` and the model of `build` give the same, to the bit, for every length."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("soundfile")

from dlrun.data.audio.input import AudioInput
from dlrun.data.audio.preprocess import AudioPreprocess
from dlrun.data.audio.spectrogram import Spectrogram
from dlrun.data.audio_files.form import AudioForm
from dlrun.data.interface import Interface, parse_interface
from dlrun.errors import DataError
from dlrun.signature import Features, Target
from sounds import tone, write_sound, write_tones


@pytest.mark.tensorflow
@pytest.mark.parametrize("crop", ["start", "center", "end"])
def test_the_model_of_build_gives_what_read_gives(crop: Any, tmp_path: Path) -> None:
    raw = AudioInput(AudioForm(8000, 1000, crop))
    model = raw.build()
    draw = np.random.default_rng(0)
    for number, (samples, rate) in enumerate([(999, 8000), (1001, 8000), (7, 8000), (4400, 44_100), (9000, 11_025)]):
        write_sound(tmp_path / f"{number}.wav", draw.uniform(-1.2, 1.2, samples), rate, subtype="FLOAT")
    blocks = list(raw.read(str(tmp_path), at_once=2))
    assert [len(block) for block in blocks] == [2, 2, 1]
    for block in blocks:
        for index in range(len(block)):
            made = np.asarray(model(raw.deployed(block, index)["waveform"]))
            assert made.dtype == block.stored.dtype == np.int16
            np.testing.assert_array_equal(made[0], block.stored[index], err_msg=block.names[index])


def test_classes_of_folders_and_numbers_of_a_list_are_read_with_the_files(tmp_path: Path) -> None:
    raw = AudioInput(AudioForm(8000, 800))
    write_tones(tmp_path / "tones", count=2)
    (block,) = raw.read(str(tmp_path / "tones"), at_once=9, target=Target("classes", 2, ("high", "low")))
    assert block.target is not None
    assert (list(block.names), block.target.tolist())[1] == [0, 0, 1, 1]
    (tmp_path / "x.csv").write_text("path,label\ntones/low/ann_00.wav,1.5\ntones/high/bob_01.wav,2.5\n")
    (listed,) = raw.read(str(tmp_path / "x.csv"), at_once=9, target=Target("values", 1, encoding="value"))
    assert listed.target is not None
    assert listed.target.tolist() == [1.5, 2.5]


def test_a_source_without_recordings_or_with_a_broken_one_is_an_error_that_names_it(tmp_path: Path) -> None:
    raw = AudioInput(AudioForm(8000, 800))
    (tmp_path / "photo.png").write_bytes(b"\x89PNG")
    with pytest.raises(DataError, match=r"has no recordings\nexpected: WAV, FLAC, OGG or MP3 files"):
        list(raw.read(str(tmp_path), at_once=9))
    (tmp_path / "a.wav").write_bytes(b"")
    with pytest.raises(DataError, match=r"a\.wav cannot be read: it is empty"):
        list(raw.read(str(tmp_path / "a.wav"), at_once=9))


def test_it_survives_json_and_impossible_sizes_are_refused() -> None:
    raw, form = (
        AudioInput(AudioForm(8000, 800, "center"), "where", label_column="what"),
        Spectrogram(8000, 200, 100, 40),
    )
    features = Features("image", (7, 40, 1))
    interface = Interface("x", raw, AudioPreprocess((800,), form), features, Target("classes", 2))
    assert parse_interface(json.dumps(interface.plain()).encode(), origin="x") == interface
    plain = interface.plain()
    plain["raw"]["form"]["samples"] = 900
    with pytest.raises(Exception, match="raw returns examples of the shape"):
        parse_interface(json.dumps(plain).encode(), origin="x")


def test_one_recording_may_come_from_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import io
    import sys
    from types import SimpleNamespace

    content = write_sound(tmp_path / "a.flac", tone(440)).read_bytes()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    (block,) = AudioInput(AudioForm(8000, 800)).read("-", at_once=9)
    np.testing.assert_allclose(block.stored[0], 32768 * tone(440), atol=2)
