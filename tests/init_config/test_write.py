"""`dlrun init --data` writes a config without problems that fits the data."""

from pathlib import Path

import pytest

from dlrun.errors import DataError, UsageError
from dlrun.init_config.draft import Wishes
from dlrun.init_config.starters import write_starter
from dlrun.init_config.write import write_config
from dlrun.spec.parse import read_spec
from pictures import write_classes
from written_configs import check_fits, write


@pytest.mark.parametrize(
    ("name", "kind", "model", "loss"),
    [
        ("odd.csv", "table", "tabm", "mean_squared_error"),
        ("three.csv", "table", "tabm", "sparse_categorical_crossentropy"),
        ("gaps.csv", "table", "tabm", "binary_crossentropy"),
        ("days.csv", "series", "linear", "mean_squared_error"),
        ("few.csv", "table", "tabm", "binary_crossentropy"),
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
    assert write(odd_files, "odd.csv", tmp_path).messages[0].startswith("target: price in €, the last column")
    assert (
        write(odd_files, "three.csv", tmp_path).messages[0]
        == "target: class, chosen by its name (--target for another)"
    )
    spec = (tmp_path / "three.yaml").read_text()
    assert "unknown]" in spec
    assert "# ignored: note, because all rows have the same value" in spec
    assert "missing_target: drop" in " ".join(write(odd_files, "gaps.csv", tmp_path).messages)
    assert "unused: id (--type table uses all columns)" in write(odd_files, "tweets.jsonl", tmp_path).messages
    assert "time: Date, in ascending order" in write(odd_files, "days.csv", tmp_path).messages


def test_a_wish_of_the_user_is_respected(odd_files: dict[str, tuple[str, Wishes]], tmp_path: Path) -> None:
    data = odd_files["odd.csv"][0]
    path = write_config(data, tmp_path / "a.yaml", Wishes(target='it\'s: a "q"')).path
    assert read_spec(path).spec.dataset.target == 'it\'s: a "q"'  # type: ignore[attr-defined]
    check_fits(path)
    path = write_config(odd_files["days.csv"][0], tmp_path / "b.yaml", Wishes(kind="table", target="Open")).path
    assert read_spec(path).spec.dataset.type_name == "table"
    path = write_config(odd_files["days.csv"][0], tmp_path / "c.yaml", Wishes(history=7, target="Volume")).path
    assert read_spec(path).spec.dataset.model_dump()["history"] == 7


def test_data_that_cannot_be_guessed_is_an_error_with_a_way_out(
    odd_files: dict[str, tuple[str, Wishes]], tmp_path: Path
) -> None:
    data = odd_files["days.csv"][0]
    with pytest.raises(UsageError, match="did you mean 'Open'"):
        write_config(data, tmp_path / "x.yaml", Wishes(target="Opne"))
    with pytest.raises(UsageError, match="one of arrays, audio, images, series, table, text"):
        write_config(data, tmp_path / "x.yaml", Wishes(kind="tabel"))
    with pytest.raises(UsageError, match="--type series"):
        write_config(data, tmp_path / "x.yaml", Wishes(kind="table", horizon=2))
    with pytest.raises(DataError, match="there is no file"):
        write_config("nothing.csv", tmp_path / "x.yaml", Wishes())
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"neither images nor sound nor \.txt"):
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


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", ["movie_reviews.csv", pytest.param("beijing_pm25.csv", marks=pytest.mark.soak)])
def test_a_config_of_real_data_trains_without_changes(shared_data: Path, tmp_path: Path, name: str) -> None:
    from dlrun.experiment import train as experiment

    wishes = Wishes(kind="series" if name.startswith("beijing") else "")
    path = write_config(str(shared_data / name), tmp_path / "real.yaml", wishes).path
    short = ("training.epochs=null", "training.steps=2", "training.jit=off", "training.report=false")
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
