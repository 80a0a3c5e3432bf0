"""Sound in class folders or lists: rates, lengths, groups by name, the cache, and mistakes with their place."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("soundfile")

from dlrun.data.audio import source as module
from dlrun.data.audio.source import Audio
from dlrun.data.audio_files.reader import AudioReader
from dlrun.data.splits import Split
from dlrun.errors import DataError, SpecError
from dlrun.spec.parse import read_spec
from sounds import tone, write_sound, write_tones

KEYS: dict[str, Any] = {"seconds": 0.1, "mel_bins": 20, "window": 0.02}


def load(path: Path, **keys: Any) -> Any:
    return Audio.model_validate({"path": str(path), **KEYS, **keys}).load()


def speakers(split: Split) -> set[str]:
    assert split.origins is not None
    return {str(name).rpartition("/")[2].partition("_")[0] for name in split.origins}


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tones(tmp_path_factory.mktemp("tones"))


def test_class_folders_become_spectrograms_whose_shape_is_known_before(tones: Path) -> None:
    source = Audio.model_validate({"path": str(tones), **KEYS, "test": 0.25})
    dataset, described = source.load(), source.describe()
    assert described is not None
    assert described.features == dataset.features
    assert dataset.target is not None
    assert described.features.shape == (9, 20, 1)
    assert dataset.target.class_names == ("high", "low")
    assert {name: split.features.shape for name, split in dataset.splits.items()} == {
        "train": (9, 800),
        "test": (3, 800),
    }
    assert "seconds: 12 of 12 recordings fit into 0.1 s, and shorter ones are padded" in dataset.notes


def test_what_is_cut_mixed_and_resampled_is_told(tones: Path, tmp_path: Path) -> None:
    tmp_path /= "data"
    write_tones(tmp_path, count=2)
    stereo = np.stack([tone(440, 0.2, 44_100)] * 2, axis=1)
    write_sound(tmp_path / "low" / "dora_1.flac", stereo, 44_100)
    notes = "\n".join(load(tmp_path, sampling_rate=8000).notes)
    assert "recordings: 1 of 5 are resampled to 8,000 Hz" in notes
    assert "recordings: 1 of 5 have several channels, which are mixed to one" in notes
    assert "seconds: 1 of 5 recordings are longer than 0.1 s and are cut, by" in notes
    with pytest.raises(DataError, match=r"differ in their sampling rate: 4 at 8,000 Hz, 1 at 44,100 Hz") as raised:
        load(tmp_path)
    assert "set sampling_rate: 8000" in raised.value.hint
    assert not any("cut" in note for note in load(tones).notes)


def test_a_speaker_in_the_names_of_files_is_on_one_side_of_a_split(tones: Path) -> None:
    dataset = load(tones, group="file_prefix", validation=0.34)
    assert len(speakers(dataset.splits["validation"])) == 1
    assert not speakers(dataset.splits["train"]) & speakers(dataset.splits["validation"])
    found = {
        frozenset(speakers(load(tones, group="file_prefix", fold={"index": index, "count": 3}).splits["validation"]))
        for index in range(3)
    }
    assert found == {frozenset({name}) for name in ("ann", "bob", "cleo")}


def test_a_list_with_numbers_is_regression_and_may_have_columns_of_speakers(tones: Path, tmp_path: Path) -> None:
    files = sorted(tones.rglob("*.wav"))
    rows = "".join(f"{path},{number / 8},{path.stem[0]}\n" for number, path in enumerate(files))
    (tmp_path / "x.csv").write_text("path,pitch,who\n" + rows)
    dataset = load(tmp_path / "x.csv", label_column="pitch", group="who", test=0.3)
    assert dataset.target.kind == "values"
    assert not speakers(dataset.splits["train"]) & speakers(dataset.splits["test"])
    # A part of the names serves a list, too.
    by_name = load(tmp_path / "x.csv", label_column="pitch", group="file_prefix", test=0.3)
    assert not speakers(by_name.splits["train"]) & speakers(by_name.splits["test"])


def test_decoded_recordings_are_taken_from_the_cache_also_by_other_splits(
    tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLRUN_CACHE", str(tmp_path))
    first = load(tones, validation=0.25)
    monkeypatch.setattr(AudioReader, "decode", None)  # nothing is decoded any more
    again, other = load(tones, validation=0.25), load(tones, validation=0.25, seed=1)
    assert again.fingerprint == first.fingerprint != other.fingerprint
    assert any("where an earlier run stored them" in note for note in again.notes)
    rows = np.concatenate([split.features for split in other.splits.values()])
    assert {row.tobytes() for row in rows} == {
        row.tobytes() for split in first.splits.values() for row in split.features
    }


def test_broken_files_are_an_error_with_their_names_or_left_out(tones: Path, tmp_path: Path) -> None:
    tmp_path /= "data"
    write_tones(tmp_path, count=3)
    (tmp_path / "low" / "empty.wav").write_bytes(b"")
    noise = np.random.default_rng(0).uniform(-1, 1, 9000)
    cut = write_sound(tmp_path / "high" / "a_cut.flac", noise)  # the first of its class
    cut.write_bytes(cut.read_bytes()[:9000])
    with pytest.raises(DataError, match=r"low/empty\.wav cannot be read: it is empty"):
        load(tmp_path)
    dataset = load(tmp_path, corrupt="skip", seconds=1.1)
    assert len(dataset.splits["train"]) == 6
    assert sum("a_cut.flac" in note or "empty.wav" in note for note in dataset.notes) == 2
    # Each waveform belongs to its name, although a file before it has failed.
    train = dataset.splits["train"]
    for name, wave in zip(train.origins, train.features, strict=True):
        alone = load(tmp_path / str(name).partition("/")[0], seconds=1.1, corrupt="skip", label_column="label")
        place = [str(each) for each in alone.splits["train"].origins].index(str(name).partition("/")[2])
        np.testing.assert_array_equal(alone.splits["train"].features[place], wave)
    assert len(load(tones).splits["train"]) == 12


CONFIG = """\
dataset:
  type: audio
  path: {path}
{keys}
model: {{type: gru, units: [4]}}
loss: sparse_categorical_crossentropy
"""


@pytest.mark.parametrize(
    ("keys", "messages"),
    [
        ("  mel_bins: 20", ["dataset has no key 'seconds'"]),
        ("  seconds: 0.1\n  group: speaker", ["'speaker' is a column of a list of recordings, but .* is a folder",
                                             "folder, file_prefix or file_part_2"]),
        ("  seconds: 0.1\n  hop: 0.05", ["a hop of 0.05 s leaves gaps between windows of 0.025 s"]),
        ("  seconds: 0.01", ["a window of 0.025 s does not fit into 0.01 s"]),
        ("  seconds: 0.1\n  sampling_rate: 8000\n  mel_bins: 200",
         ["of 200 bands are narrower than a window of 0.025 s", "at most .* at 8,000 Hz"]),
        ("  seconds: 0.1\n  sampling_rate: 8000\n  hop: 0.00001", ["a hop of 1e-05 s is less than a sample"]),
        ("  seconds: 0.1\n  audio_column: file", ["audio_column is for a list of recordings, but path is a folder"]),
        ("  seconds: 0.1\n  augmentation: {flip: horizontal}", ["flip"]),
        ("  seconds: 0.1\n  augmentation: {mixup: 0.2}", ["mixup mixes targets, but sparse_categorical_crossentropy"]),
    ],
)  # fmt: skip
def test_a_mistake_is_shown_with_its_line_and_a_caret(
    keys: str, messages: list[str], tones: Path, tmp_path: Path
) -> None:
    (tmp_path / "x.yaml").write_text(CONFIG.format(path=tones, keys=keys))
    with pytest.raises(SpecError) as raised:
        read_spec(tmp_path / "x.yaml")
    import re

    for message in messages:
        assert re.search(message, str(raised.value)), str(raised.value)
    assert "^" in str(raised.value)


def test_the_missing_extra_is_a_problem_of_the_spec(
    tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "is_installed", lambda: False)
    (tmp_path / "x.yaml").write_text(CONFIG.format(path=tones, keys="  seconds: 0.1"))
    with pytest.raises(SpecError, match=r"(?s)soundfile, which is not installed.*pip install 'dlrun\[audio\]'"):
        read_spec(tmp_path / "x.yaml")


def test_a_folder_without_sound_and_a_class_without_any_are_errors(tmp_path: Path) -> None:
    tmp_path /= "data"
    (tmp_path / "low").mkdir(parents=True)
    with pytest.raises(DataError, match="has no recordings"):
        load(tmp_path)
    write_sound(tmp_path / "high" / "a.wav", tone(440))
    with pytest.raises(DataError, match=r"the class folder .*low has no recordings"):
        load(tmp_path)
    with pytest.raises(DataError, match=r"hop|window|mel_bins"):
        load(write_tones(tmp_path / "tones", count=1), mel_bins=200)
