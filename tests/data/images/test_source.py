"""The dataset type images: folders and CSVs in, splits out; whatever is wrong with them is told with its name."""

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from dlrun.data.dataset import Dataset, datasets
from dlrun.data.images.source import Images
from dlrun.data.splits import Split, fingerprint_of
from dlrun.errors import DataError
from pictures import blocks, jpeg, png, saved, write_classes

pytestmark = pytest.mark.tensorflow


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Apart from the folder of images."""
    monkeypatch.setenv("DLRUN_CACHE", str(tmp_path_factory.mktemp("cache")))


def load(folder: Path, **keys: Any) -> Dataset:
    return Images.model_validate({"path": str(folder), **keys}).load()


def names(dataset: Dataset, split: str = "train") -> list[str]:
    origins = dataset.splits[split].origins
    assert origins is not None
    return [str(name) for name in origins]


def test_class_folders_are_read_in_alphabetical_order_with_their_names(tmp_path: Path) -> None:
    write_classes(tmp_path, count=3, classes=("zebra", "Ärger mit Ö", "ant"))
    dataset = load(tmp_path)
    assert dataset.target is not None
    assert dataset.target.class_names == ("ant", "zebra", "Ärger mit Ö")
    split = dataset.splits["train"]
    assert split.features.shape == (9, 16, 16, 3)
    assert split.features.dtype == np.uint8
    assert split.target is not None
    assert split.target.tolist() == [0] * 3 + [1] * 3 + [2] * 3
    assert names(dataset)[6:] == [f"Ärger mit Ö/00{number}.png" for number in range(3)]
    np.testing.assert_array_equal(split.features[7], blocks(16, 16, seed=1001))
    description = Images.model_validate({"path": str(tmp_path)}).describe()
    assert description is not None
    assert (description.features, description.target) == (dataset.features, dataset.target)
    assert description.examples == {"train": 9}


def test_folders_train_and_test_are_splits_and_a_class_may_be_called_train(tmp_path: Path) -> None:
    for split, count in (("train", 4), ("Test", 2), ("val", 3)):
        write_classes(tmp_path / "splits" / split, count=count)
    assert {name: len(split) for name, split in load(tmp_path / "splits").splits.items()} == {
        "train": 8, "validation": 6, "test": 4,
    }  # fmt: skip
    write_classes(tmp_path / "vehicles", classes=("bus", "train"))
    target = load(tmp_path / "vehicles").target
    assert target is not None
    assert target.class_names == ("bus", "train")


def test_other_folders_are_test_and_validation_and_have_trainings_classes(tmp_path: Path) -> None:
    write_classes(tmp_path / "one", classes=("a", "b", "c"))
    write_classes(tmp_path / "two", classes=("b", "c"), count=2)
    dataset = load(tmp_path / "one", test_path=str(tmp_path / "two"), validation="test")
    labels = dataset.splits["test"].target
    assert labels is not None
    assert labels.tolist() == [1, 1, 2, 2]
    assert dataset.splits["validation"] is dataset.splits["test"]
    write_classes(tmp_path / "two", classes=("d",))
    with pytest.raises(DataError, match="has the class 'd'"):
        load(tmp_path / "one", test_path=str(tmp_path / "two"))


def test_what_is_no_image_is_left_out_and_told_and_hidden_files_are_not_looked_at(tmp_path: Path) -> None:
    write_classes(tmp_path)
    (tmp_path / "a" / "NOTES.txt").write_text("text")
    (tmp_path / "a" / ".DS_Store").write_bytes(b"\0")
    (tmp_path / "a" / "._000.png").write_bytes(b"\0")
    (tmp_path / ".git").mkdir()
    (tmp_path / "a" / "deep er").mkdir()
    (tmp_path / "a" / "deep er" / "PHOTO.PNG").write_bytes(png(blocks(16, 16)))
    (tmp_path / "b" / "link.png").symlink_to(tmp_path / "a" / "000.png")
    (tmp_path / "b" / "loop").symlink_to(tmp_path)
    dataset = load(tmp_path)
    assert len(dataset.splits["train"]) == 14
    assert {"a/deep er/PHOTO.PNG", "b/link.png"} <= set(names(dataset))
    (note,) = [note for note in dataset.notes if note.startswith("left out")]
    assert "1 files" in note
    assert "a/NOTES.txt" in note


def test_files_that_cannot_be_read_are_named_all_at_once_or_left_out(tmp_path: Path) -> None:
    write_classes(tmp_path)
    (tmp_path / "a" / "words.jpg").write_text("words")
    (tmp_path / "b" / "gone.png").symlink_to("nowhere")
    with pytest.raises(DataError, match="2 of 14 images cannot be read") as raised:
        load(tmp_path)
    assert "a/words.jpg: it is text" in raised.value.what
    assert "b/gone.png: it is a link to nowhere, which does not exist" in raised.value.what
    data = (tmp_path / "b" / "001.png").read_bytes()
    (tmp_path / "b" / "001.png").write_bytes(data[:-20])
    dataset = load(tmp_path, corrupt="skip", validation=0.25)
    assert sum(map(len, dataset.splits.values())) == 11
    found = {name for split in dataset.splits for name in names(dataset, split)}
    assert not found & {"a/words.jpg", "b/gone.png", "b/001.png"}
    assert sum(note.startswith("corrupt: ") for note in dataset.notes) == 2
    for place in ("a/words.jpg", "b/gone.png"):
        (tmp_path / place).unlink()
    with pytest.raises(DataError, match=r"b/001.png cannot be read: Invalid PNG data"):
        load(tmp_path)


@pytest.mark.parametrize("corrupt", ["error", "skip"])
def test_where_no_pixels_of_a_split_can_be_decoded_that_is_the_error_and_not_the_empty_split(
    tmp_path: Path, corrupt: str
) -> None:
    write_classes(tmp_path)
    for path in tmp_path.glob("*/*.png"):
        path.write_bytes(path.read_bytes()[:-20])  # the header is sound
    with pytest.raises(DataError, match="images cannot be read") as raised:
        load(tmp_path, corrupt=corrupt, validation=0.25)
    assert corrupt == "error" or "skip" not in raised.value.hint


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "c").mkdir(), "the class folder .*/c has no images"),
        (lambda folder: (folder / "a" / "x.png").write_bytes(png(blocks(8, 24))), "8 to 16 pixels high, 16 to 24 wide"),
        (lambda folder: (folder / "a").rename(folder.parent / "a"), None),
        (lambda folder: folder.rename(folder.parent / "elsewhere"), "cannot be read: no such file"),
    ],
)
def test_a_folder_that_nothing_can_be_learnt_from_is_an_error(tmp_path: Path, spoil: Any, said: str | None) -> None:
    folder = write_classes(tmp_path / "data")
    spoil(folder)
    if said is None:  # one class tells nothing apart
        dataset = load(folder)
        assert dataset.target is None
        assert any("there is only one class, b" in note for note in dataset.notes)
        return
    with pytest.raises(DataError, match=said):
        load(folder)


def test_sizes_and_channels_are_unified_as_the_keys_say(tmp_path: Path) -> None:
    write_classes(tmp_path)
    (tmp_path / "a" / "grey.png").write_bytes(png(blocks(16, 32, 1)))
    (tmp_path / "a" / "turned.jpg").write_bytes(jpeg(blocks(32, 16), orientation=6))
    for fit in ("resize", "crop", "pad"):
        dataset = load(tmp_path, size=(8, 8), fit=fit)
        split = dataset.splits["train"]
        assert split.features.shape == (14, 8, 8, 3)
        grey = split.features[names(dataset).index("a/grey.png")]
        assert (grey[..., 0] == grey[..., 2]).all()
        assert bool((grey[:2] == 0).all()) == (fit == "pad")
    assert "1 of 14 are turned upright" in str(dataset.notes)
    assert load(tmp_path, size=(8, 8), channels=1).features.shape == (8, 8, 1)


def test_of_an_animation_and_of_pages_the_first_is_read_and_a_note_says_so(tmp_path: Path) -> None:
    write_classes(tmp_path)
    first, second = (blocks(16, 16, 3, seed=seed) // 64 * 64 for seed in (1, 2))
    more: Any = {"save_all": True, "append_images": [PIL.Image.fromarray(second)]}
    for name in ("gif", "webp", "tiff"):
        (tmp_path / "a" / f"still.{name}").write_bytes(saved(first, name.upper()))
        (tmp_path / "b" / f"moves.{name}").write_bytes(saved(first, name.upper(), **more))
    dataset = load(tmp_path)
    note = "images: 3 of 18 have several pictures (frames or pages), of which only the first is read"
    assert note in dataset.notes
    split = dataset.splits["train"]
    for name in ("a/still.webp", "a/still.tiff", "b/moves.webp", "b/moves.tiff"):
        np.testing.assert_array_equal(split.features[names(dataset).index(name)], first)
    for name in ("a/still.gif", "b/moves.gif"):
        assert np.abs(split.features[names(dataset).index(name)].astype(int) - first).mean() < 8


def test_a_csv_names_files_with_classes_or_values(tmp_path: Path) -> None:
    write_classes(tmp_path / "files", count=4)
    rows = [f"files/{name}/00{number}.png" for number in range(4) for name in "ab"]
    table = tmp_path / "table.csv"
    table.write_text("\ufeffwhere,kind,age\n" + "\n".join(f"{row},{10 - n % 2},{n}.5" for n, row in enumerate(rows)))
    dataset = load(table, image_column="where", label_column="kind")
    assert dataset.target is not None
    assert dataset.target.class_names == ("9", "10")
    assert names(dataset) == rows
    assert dataset.splits["train"].target is not None
    assert dataset.splits["train"].target.tolist() == [1, 0] * 4
    dataset = load(table, image_column="where", label_column="age", test=0.25)
    assert dataset.target is not None
    assert (dataset.target.kind, len(dataset.splits["test"])) == ("values", 2)
    assert load(table, image_column="where", label_column=None).target is None
    (problem,) = Images.model_validate({"path": str(table), "image_column": "wher", "label_column": "age"}).problems()
    assert (problem.path, problem.hint) == (("image_column",), "did you mean 'where'?")
    table.write_text("path,label\nfiles/a/000.png,\n")
    with pytest.raises(DataError, match="line 2 has no label"):
        load(table)


def test_images_that_do_not_fit_into_memory_are_kept_in_a_file_for_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_classes(tmp_path)
    data = (tmp_path / "b" / "001.png").read_bytes()
    (tmp_path / "b" / "001.png").write_bytes(data[:-20])
    keys: dict[str, Any] = {"validation": 0.25, "corrupt": "skip"}
    in_memory = load(tmp_path, **keys)
    assert any("kept in memory" in note for note in in_memory.notes)
    monkeypatch.setattr("dlrun.data.media.loading.free_memory", lambda: 1000)
    first, second = load(tmp_path, **keys), load(tmp_path, **keys)
    assert first.fingerprint == second.fingerprint == in_memory.fingerprint
    for dataset, said in ((first, "also for later runs"), (second, "where an earlier run stored them")):
        assert isinstance(dataset.splits["train"].features, np.memmap)
        assert said in str(dataset.notes)
        assert names(dataset) == names(in_memory)
    for kept in (Path(os.environ["DLRUN_CACHE"]) / "images").glob("*/content/images.npy"):
        whole = kept.read_bytes()
        kept.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    mended = load(tmp_path, **keys)
    assert "was damaged (images.npy was changed after it was written), and has been made again" in str(mended.notes)
    assert mended.fingerprint == in_memory.fingerprint
    os.utime(tmp_path / "a" / "000.png", ns=(1, 1))
    assert "also for later runs" in str(load(tmp_path, **keys).notes)
    with pytest.raises(DataError, match=r"b/001\.png"):
        load(tmp_path, validation=0.25)


def test_a_file_that_cannot_be_mapped_is_told_as_that_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_classes(tmp_path)
    monkeypatch.setattr("dlrun.data.media.loading.free_memory", lambda: 1000)
    load(tmp_path)

    def no_memory(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    with monkeypatch.context() as patch:
        patch.setattr("mmap.mmap", no_memory)
        with pytest.raises(
            DataError, match="cannot be mapped: the system gives this process no more address"
        ) as raised:
            load(tmp_path)
        assert "ulimit -v" in raised.value.hint
    assert "where an earlier run stored them" in str(load(tmp_path).notes)


def test_kept_images_are_hashed_once_at_loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    write_classes(tmp_path)
    expected = load(tmp_path, validation=0.25).fingerprint
    monkeypatch.setattr("dlrun.data.media.loading.free_memory", lambda: 1000)
    assert load(tmp_path, validation=0.25).fingerprint == expected
    hashed: list[int] = []

    def counted(splits: dict[str, Split]) -> str:
        hashed.extend(len(split.features) for split in splits.values())
        return fingerprint_of(splits)

    monkeypatch.setattr("dlrun.data.media.loading.fingerprint_of", counted)
    assert load(tmp_path, validation=0.25).fingerprint == expected
    assert hashed == [0, 0]  # the targets alone; the cache has compared the images with their digests
    assert load(tmp_path, validation=0.25, seed=1).fingerprint != expected


def test_images_that_the_cache_cannot_keep_are_in_temporary_files_with_one_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_classes(tmp_path / "images")
    expected = load(tmp_path / "images", validation=0.25).fingerprint
    monkeypatch.setattr("dlrun.data.media.loading.free_memory", lambda: 1000)
    (tmp_path / "file").touch()
    monkeypatch.setenv("DLRUN_CACHE", str(tmp_path / "file"))
    loaded = load(tmp_path / "images", validation=0.25)
    assert isinstance(loaded.splits["train"].features, np.memmap)
    assert loaded.fingerprint == expected == fingerprint_of(loaded.splits)
    assert [note for note in loaded.notes if note.startswith("cache: ")] == [
        f"cache: nothing can be stored in {tmp_path / 'file'}: not a directory; the next run prepares its data again"
    ]
    assert "they are kept in temporary files until this run ends" in loaded.notes[-1]


def test_the_splits_of_one_data_set_never_make_room_for_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlrun.data.media.loading.free_memory", lambda: 1000)
    monkeypatch.setenv("DLRUN_CACHE_SIZE", "1")
    write_classes(tmp_path)
    load(tmp_path, validation=0.25)
    assert "where an earlier run stored them" in str(load(tmp_path, validation=0.25).notes)


def test_keys_that_say_nothing_about_a_folder_are_refused() -> None:
    source = Images.model_validate({"path": "x", "task": "regression", "test_path": "y", "test": 0.1})
    assert [problem.path for problem in source.problems()] == [("test",), ("task",)]
    assert datasets.find("images") is Images


def test_a_name_that_is_no_utf8_is_shown_with_its_bytes_replaced(tmp_path: Path) -> None:
    write_classes(tmp_path)
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/a/\xff.png")).write_bytes(png(blocks(16, 16)))
    assert "a/\ufffd.png" in names(load(tmp_path))
