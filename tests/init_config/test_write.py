"""`dlrun init --data` writes a config without problems that fits the data."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import yaml
from pyarrow import parquet

from dlrun.errors import DataError, UsageError
from dlrun.init_config.draft import Wishes
from dlrun.init_config.page import written
from dlrun.init_config.starters import write_starter
from dlrun.init_config.write import WrittenConfig, write_config
from dlrun.signature import Description
from dlrun.spec.parse import read_spec
from dlrun.yaml_tree.source import read_yaml
from odd_files import write_odd_files
from pictures import blocks, saved, write_classes


@pytest.fixture(scope="module")
def odd_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, Wishes]]:
    return write_odd_files(tmp_path_factory.mktemp("odd"))


def test_an_outer_folder_is_not_mistaken_for_a_class_folder(tmp_path: Path) -> None:
    write_classes(tmp_path / "archive" / "shapes")
    written_config = write_config(str(tmp_path / "archive"), tmp_path / "a.yaml", Wishes())
    assert any(f"--data {tmp_path / 'archive' / 'shapes'}" in told for told in written_config.told)
    for name in ("good", "bad"):
        (tmp_path / "mails" / "all" / name).mkdir(parents=True)
        (tmp_path / "mails" / "all" / name / "1.txt").write_text("some words")
    with pytest.raises(DataError, match="one class folder, all") as caught:
        write_config(str(tmp_path / "mails"), tmp_path / "b.yaml", Wishes())
    assert caught.value.hint.endswith(f"--data {tmp_path / 'mails' / 'all'}")
    (tmp_path / "mails" / "all" / "bad" / "1.txt").unlink()
    with pytest.raises(DataError, match="one class folder, good") as caught:
        write_config(str(tmp_path / "mails" / "all"), tmp_path / "b.yaml", Wishes())
    assert caught.value.hint == ""


def write(odd_files: dict[str, tuple[str, Wishes]], name: str, folder: Path) -> WrittenConfig:
    data, wishes = odd_files[name]
    return write_config(data, folder / f"{name.partition('.')[0]}.yaml", wishes)


def check_fits(path: Path) -> None:
    """As `dlrun train` checks a config once its data is loaded."""
    file = read_spec(path)
    dataset = file.spec.dataset.load()
    sizes = {name: len(split) for name, split in dataset.splits.items()}
    file.check(Description(dataset.features, dataset.target, sizes))
    assert file.spec.training.batch_size <= sizes["train"]


@pytest.mark.parametrize(
    ("name", "kind", "model", "loss"),
    [
        ("odd.csv", "table", "mlp", "mean_squared_error"),
        ("three.csv", "table", "mlp", "sparse_categorical_crossentropy"),
        ("gaps.csv", "table", "mlp", "binary_crossentropy"),
        ("days.csv", "series", "linear", "mean_squared_error"),
        ("few.csv", "table", "mlp", "binary_crossentropy"),
        ("tweets.jsonl", "text", "lstm", "sparse_categorical_crossentropy"),
        ("scores.jsonl", "text", "lstm", "mean_squared_error"),
        ("named.npz", "arrays", "mlp", "sparse_categorical_crossentropy"),
        ("steps.npz", "arrays", "lstm", "mean_squared_error"),
        ("mails", "text", "lstm", "sparse_categorical_crossentropy"),
    ],
)
def test_a_config_fits_its_data(
    odd_files: dict[str, tuple[str, Wishes]], tmp_path: Path, name: str, kind: str, model: str, loss: str
) -> None:
    path = write(odd_files, name, tmp_path).path
    spec = read_spec(path).spec
    assert (spec.dataset.type_name, spec.model.type_name, spec.loss.type_name) == (kind, model, loss)
    assert all(len(line) <= 120 for line in path.read_text().splitlines() if line.lstrip().startswith("#"))
    check_fits(path)


def test_every_guess_is_reported(odd_files: dict[str, tuple[str, Wishes]], tmp_path: Path) -> None:
    assert write(odd_files, "odd.csv", tmp_path).told[0].startswith("target: price in €, the last column")
    assert write(odd_files, "three.csv", tmp_path).told[0] == "target: class, chosen by its name (--target for another)"
    spec = (tmp_path / "three.yaml").read_text()
    assert "unknown]" in spec
    assert "# ignored: note, because all rows have the same value" in spec
    assert "missing_target: drop" in " ".join(write(odd_files, "gaps.csv", tmp_path).told)
    assert "unused: id (--type table uses all columns)" in write(odd_files, "tweets.jsonl", tmp_path).told
    assert "time: Date, in ascending order" in write(odd_files, "days.csv", tmp_path).told


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
    assert written.told[0].startswith("header: false, because the first line looks like a data row ('a/")
    described = read_spec(written.path).spec.dataset.describe()
    assert described is not None
    assert sum(described.examples.values()) == 40
    (tmp_path / "odd.csv").write_text("not/there.png,b.png\n" + rows)
    assert write_config(str(tmp_path / "odd.csv"), tmp_path / "y.yaml", Wishes()).path.exists()


def test_a_wish_of_the_user_is_respected(odd_files: dict[str, tuple[str, Wishes]], tmp_path: Path) -> None:
    data = odd_files["odd.csv"][0]
    path = write_config(data, tmp_path / "a.yaml", Wishes(target='it\'s: a "q"')).path
    assert read_spec(path).spec.dataset.target == 'it\'s: a "q"'  # type: ignore[attr-defined]
    check_fits(path)
    path = write_config(odd_files["days.csv"][0], tmp_path / "b.yaml", Wishes(kind="table", target="Open")).path
    assert read_spec(path).spec.dataset.type_name == "table"
    path = write_config(odd_files["days.csv"][0], tmp_path / "c.yaml", Wishes(history=7, target="Volume")).path
    assert read_spec(path).spec.dataset.model_dump()["history"] == 7


@pytest.mark.parametrize(
    ("targets", "loss"),
    [
        (("colour", "grade"), "sparse_categorical_crossentropy"),
        (("wet", "cold"), "binary_crossentropy"),
        (("size", "price"), "mean_squared_error"),
    ],
)
def test_several_targets_of_a_table_are_one_list(targets: tuple[str, ...], loss: str, tmp_path: Path) -> None:
    rows = (f"{i},{'rgb'[i % 3]},{i % 4},{'yn'[i % 2]},{'ny'[i % 5 > 2]},{i}.5,{i * 3}.25" for i in range(60))
    (tmp_path / "t.csv").write_text("x,colour,grade,wet,cold,size,price\n" + "\n".join(rows))
    path = write_config(
        str(tmp_path / "t.csv"), tmp_path / "t.yaml", Wishes(target=targets[0], more_targets=targets[1:])
    ).path
    spec = read_spec(path).spec
    assert (spec.dataset.model_dump()["target"], spec.loss.type_name) == (targets, loss)
    check_fits(path)
    for wishes, said in (
        (Wishes(target="wet", more_targets=("wet",)), "appears twice"),
        (Wishes(target="wet", more_targets=("cod",)), "did you mean 'cold'"),
        (Wishes(kind="text", target="wet", more_targets=("cold",)), "several targets need a table"),
    ):
        with pytest.raises(UsageError, match=said):
            write_config(str(tmp_path / "t.csv"), tmp_path / "x.yaml", wishes)


def test_data_that_cannot_be_guessed_is_an_error_with_a_way_out(
    odd_files: dict[str, tuple[str, Wishes]], tmp_path: Path
) -> None:
    data = odd_files["days.csv"][0]
    with pytest.raises(UsageError, match="did you mean 'Open'"):
        write_config(data, tmp_path / "x.yaml", Wishes(target="Opne"))
    with pytest.raises(UsageError, match="one of arrays, images, series, table, text"):
        write_config(data, tmp_path / "x.yaml", Wishes(kind="tabel"))
    with pytest.raises(UsageError, match="--type series"):
        write_config(data, tmp_path / "x.yaml", Wishes(kind="table", horizon=2))
    with pytest.raises(DataError, match="there is no file"):
        write_config("nothing.csv", tmp_path / "x.yaml", Wishes())
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"neither images nor \.txt"):
        write_config(str(tmp_path / "empty"), tmp_path / "x.yaml", Wishes())
    assert not (tmp_path / "x.yaml").exists()


def test_a_file_that_exists_is_kept_unless_forced_and_the_name_follows_the_data(
    odd_files: dict[str, tuple[str, Wishes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my few rows!.csv").symlink_to(odd_files["few.csv"][0])
    assert write_config("my few rows!.csv", None, Wishes()).path == Path("few.yaml")
    with pytest.raises(UsageError, match="exists"):
        write_config("my few rows!.csv", None, Wishes())
    write_config("my few rows!.csv", None, Wishes(), force=True)
    path = write_config("my few rows!.csv", tmp_path / "ä b.yaml", Wishes()).path
    assert read_spec(path).spec.name == "few"


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        "1e3",
        "no",
        "NULL",
        "a: b",
        "#x",
        "- a",
        'it\'s "q"',
        "",
        " x",
        "\t",
        "ä€",
        "12",
        ".5",
        "~",
        "[a]",
        "\x7f",
    ],
)
def test_every_text_is_read_back_unchanged(tmp_path: Path, value: str) -> None:
    path = tmp_path / "v.yaml"
    path.write_text(f"value: {written([value, {value or 'k': value}])}\n", encoding="utf-8")
    document, problems = read_yaml(path)
    assert not problems
    assert document is not None
    assert document.plain() == {"value": (value, {value or "k": value})}
    assert yaml.safe_load(path.read_text(encoding="utf-8"))["value"][0] == value


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


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", ["movie_reviews.csv", "beijing_pm25.csv"])
def test_a_config_of_real_data_trains_without_changes(shared_data: Path, tmp_path: Path, name: str) -> None:
    from dlrun.experiment import train as experiment

    wishes = Wishes(kind="series" if name.startswith("beijing") else "")
    path = write_config(str(shared_data / name), tmp_path / "real.yaml", wishes).path
    short = ("training.epochs=null", "training.steps=2", "training.jit=off")
    result = experiment.train(path, overrides=short, runs_dir=tmp_path / "runs")
    assert result.record["status"] == "completed"


@pytest.mark.tensorflow
@pytest.mark.soak
def test_every_config_trains(odd_files: dict[str, tuple[str, Wishes]], shared_data: Path, tmp_path: Path) -> None:
    from dlrun.experiment import train as experiment

    real = {name: (str(shared_data / name), Wishes()) for name in ("adult.csv", "cifar10_images", "mnist.npz")}
    for number, (data, wishes) in enumerate({**odd_files, **real}.values()):
        path = write_config(data, tmp_path / f"config{number}.yaml", wishes).path
        result = experiment.train(path, overrides=("training.epochs=2",), runs_dir=tmp_path / "runs")
        assert result.record["status"] == "completed", data
        assert all(score == score for scores in result.scores.values() for score in scores.values()), data  # noqa: PLR0124


def test_a_config_for_numbers_that_are_too_large_still_trains(tmp_path: Path) -> None:
    rows = range(120)
    ids = [1_400_000_000_000_000_000 + 131 * index for index in rows]
    values = ["1e400" if index == 7 else f"{index * 0.37:.2f}" for index in rows]
    lines = [f"{ids[index]},{values[index]},{'ab'[index % 2]}" for index in rows]
    (tmp_path / "t.csv").write_text("\n".join(["tweet_id,size,y", *lines]) + "\n")
    floats = pa.array([float(value) for value in values])
    classes = ["ab"[index % 2] for index in rows]
    parquet.write_table(
        pa.table({"tweet_id": ids, "size": floats, "more": [index * 0.5 for index in rows], "y": classes}),
        tmp_path / "t.parquet",
    )
    for name, missing in (("t.csv", True), ("t.parquet", False)):
        path = write_config(str(tmp_path / name), tmp_path / f"{name}.yaml", Wishes()).path
        check_fits(path)
        dataset = yaml.safe_load(path.read_text())["dataset"]
        assert ("1e400" in dataset.get("also_missing", [])) == missing
        assert "ignored: tweet_id" in path.read_text()


@pytest.mark.parametrize("force", [True, False])
def test_a_config_never_overwrites_data_and_the_error_names_the_option_for_data(tmp_path: Path, *, force: bool) -> None:
    data = tmp_path / "data.csv"
    data.write_text("a,label\n1.5,x\n")
    with pytest.raises(UsageError, match="is not the name of a config") as caught:
        write_starter("cnn", data, force=force)
    assert f"dlrun init --data {data}" in caught.value.hint
    with pytest.raises(UsageError, match="is not the name of a config"):
        write_config(str(data), data, Wishes(), force=force)
    with pytest.raises(UsageError):
        write_starter("cnn", tmp_path, force=force)
    assert data.read_text() == "a,label\n1.5,x\n"


def test_an_explicit_type_detects_the_same_as_no_type(tmp_path: Path) -> None:
    write_classes(tmp_path, count=20)
    files = [f"{name}/{number:03}.png" for name in "ab" for number in range(20)]
    (tmp_path / "pictures.csv").write_text("file,kind\n" + "".join(f"{name},{name[0]}\n" for name in files))
    (tmp_path / "texts.csv").write_text("body,mood\n" + "".join(f"so it goes on {i},m{i % 2}\n" for i in range(40)))
    for name, kind in (("pictures.csv", "images"), ("texts.csv", "text")):
        unnamed = write_config(str(tmp_path / name), tmp_path / "a.yaml", Wishes(), force=True).path.read_text()
        named = write_config(str(tmp_path / name), tmp_path / "a.yaml", Wishes(kind), force=True).path.read_text()
        assert f"type: {kind}" in unnamed
        assert named == unnamed
    with pytest.raises(UsageError, match="no column of image files"):
        write_config(str(tmp_path / "texts.csv"), tmp_path / "b.yaml", Wishes("images"))


def test_unclosed_quotes_are_ordinary_characters_of_texts(tmp_path: Path) -> None:
    data = tmp_path / "SMSSpamCollection"
    rows = ['ham\t"see you at home then', "spam\tfree prize to claim now", 'ham\tsays "ok" to me now'] * 12
    data.write_text("\n".join(rows) + "\n")
    done = write_config(str(data), tmp_path / "sms.yaml", Wishes())
    assert yaml.safe_load(done.path.read_text())["dataset"]["quoted"] is False
    assert any("quotes do not enclose" in line for line in done.told)
    check_fits(done.path)


def test_a_damaged_row_is_reported_rather_than_a_missing_text_column(tmp_path: Path) -> None:
    data = tmp_path / "reviews.csv"
    data.write_text('text,label\n"a good film, see it,good\nnot my film at all,bad\n')
    with pytest.raises(DataError, match=r"reviews.csv:2: a row"):
        write_config(str(data), tmp_path / "reviews.yaml", Wishes(kind="text"))


def test_json_lines_without_texts_suggest_a_conversion_to_a_table(tmp_path: Path) -> None:
    data = tmp_path / "houses.jsonl"
    data.write_text('{"rooms": 3, "price": 200}\n{"rooms": 4, "price": 300}\n')
    with pytest.raises(UsageError, match="no column of texts") as raised:
        write_config(str(data), tmp_path / "houses.yaml", Wishes())
    assert "houses.csv" in raised.value.hint


def test_a_txt_file_of_columns_is_a_table_and_one_of_lines_has_no_columns(tmp_path: Path) -> None:
    data = tmp_path / "power.txt"
    rows = [f"16/12/2006;{hour:02d}:00:00;{hour * 7 % 24}.5;23{hour % 4}.1" for hour in range(24)]
    data.write_text("\n".join(["Date;Time;Power;Voltage", *rows]) + "\n")
    done = write_config(str(data), tmp_path / "power.yaml", Wishes())
    assert yaml.safe_load(done.path.read_text())["dataset"]["type"] in ("table", "series")
    check_fits(done.path)
    data.write_text("a text of one line\nanother, with a comma\n")
    with pytest.raises(UsageError, match="no columns") as raised:
        write_config(str(data), tmp_path / "lines.yaml", Wishes())
    assert "name a file with columns .csv or .tsv" in raised.value.hint


def test_numbers_with_an_undetected_time_column_suggest_a_series(tmp_path: Path) -> None:
    data = tmp_path / "shampoo.csv"
    data.write_text(
        "Month,Sales\n" + "".join(f"{1 + m // 12}-{m % 12 + 1:02d},{200 + m * 7 % 90}\n" for m in range(36))
    )
    with pytest.raises(DataError, match="no column to learn from") as raised:
        write_config(str(data), tmp_path / "shampoo.yaml", Wishes())
    assert "--type series" in raised.value.hint
