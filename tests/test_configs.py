"""Every config that ships: it is well formed, explains itself, has the model it says, and trains."""

import re
from pathlib import Path

import pytest

from dlrun.spec.parse import read_spec

ROOT = Path(__file__).parents[1]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
STARTERS = sorted((ROOT / "src" / "dlrun" / "init_config" / "starters").glob("*.yaml"))


def name(path: Path) -> str:
    return path.stem


def conv(size: int, channels: int, filters: int) -> int:
    return size * size * channels * filters + filters


def dense(inputs: int, units: int) -> int:
    return inputs * units + units


WITH_REPORT = {"digits_cnn", "digits_autoencoder", "diabetes_realmlp", "reviews_bow", "pm25_lstm"}
"""Configs whose report is drawn and whose `jit` is chosen, one of each kind of data: both cost as much as training."""

SLOW = {
    "cifar_pretrained", "cifar_resnet", "pm25_tcn", "mnist_cnn_small", "mnist_cnn_wide", "mnist_autoencoder_tied",
    "sequence_rnn", "reviews_lstm",
}  # fmt: skip
"""Configs of deep networks, whose first steps take long; smaller ones of their kinds are trained in other tests. And
those that differ from another config only by numbers."""

# 28 -> conv 26 -> pool 13 -> conv 11 -> pool 5 -> conv 3
PARAMETERS = {
    "mnist_cnn": conv(3, 1, 32) + conv(3, 32, 64) + conv(3, 64, 64) + dense(3 * 3 * 64, 64) + dense(64, 10),
    "mnist_cnn_small": conv(3, 1, 32) + conv(3, 32, 64) + dense(5 * 5 * 64, 128) + dense(128, 10),
    "mnist_cnn_wide": conv(3, 1, 32) + conv(3, 32, 64) + conv(3, 64, 128) + dense(3 * 3 * 128, 128) + dense(128, 10),
    "mnist_mlp": dense(784, 128) + dense(128, 10),
    "binary_mlp": dense(100, 64) + dense(64, 32) + dense(32, 1),
    # An LSTM has four gates, each with kernel, recurrent kernel and bias; a simple recurrent layer has one.
    "sequence_lstm": 4 * (10 * 64 + 64 * 64 + 64) + dense(64, 1),
    # Padding and the out-of-vocabulary token are among the 1000.
    "text_lstm": 1000 * 64 + 4 * (64 * 64 + 64 * 64 + 64) + dense(64, 3),
    "sequence_rnn": (10 * 64 + 64 * 64 + 64) + dense(64, 1),
    "mnist_autoencoder": dense(784, 128) + dense(128, 32) + dense(32, 128) + dense(128, 784),
    # Tied: the kernels of the encoder count once, the biases of both sides.
    "mnist_autoencoder_tied": dense(784, 128) + dense(128, 32) + 128 + 784,
    # 28 -> 14 -> 7 -> a code of 32, and mirrored.
    "mnist_conv_autoencoder": conv(3, 1, 16)
    + conv(3, 16, 32)
    + dense(7 * 7 * 32, 32)
    + dense(32, 7 * 7 * 32)
    + conv(3, 32, 16)
    + conv(3, 16, 1),
}


def find_data(config: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The overrides by which a config finds its data on this machine; the test is skipped where there is none."""
    if config.startswith("reviews"):
        return (f"dataset.path={request.getfixturevalue('shared_data') / 'movie_reviews.csv'}",)
    if config.startswith("pm25"):
        return (f"dataset.path={request.getfixturevalue('shared_data') / 'beijing_pm25.csv'}",)
    if config == "cifar_pretrained":
        shared_folder: Path = request.getfixturevalue("shared_data")
        weights = shared_folder / "pretrained" / "mobilenet_v2_0.35_imagenet_no_top.weights.h5"
        # Small images, because the network is larger than that of any other config.
        return (f"dataset.path={shared_folder / 'cifar10_images'}", f"model.weights={weights}", "dataset.size=[32,32]")
    if config.startswith("cifar"):
        return (f"dataset.path={request.getfixturevalue('shared_data') / 'cifar10_images'}",)
    if config.startswith("spoken"):
        pytest.importorskip("soundfile")
        return (f"dataset.path={request.getfixturevalue('shared_data') / 'spoken_digits'}",)
    if config.startswith("adult"):
        return (f"dataset.path={request.getfixturevalue('shared_data') / 'adult.csv'}",)
    if config.startswith("mnist"):
        shared: Path = request.getfixturevalue("shared_data")
        monkeypatch.setenv("TFDS_DATA_DIR", str(shared / "tensorflow_datasets"))
    return ()


@pytest.mark.parametrize("path", CONFIGS + STARTERS, ids=name)
def test_a_config_has_no_problems(path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_spec(path, find_data(path.stem, request, monkeypatch)).spec.name == path.stem


@pytest.mark.parametrize("path", CONFIGS, ids=name)
def test_a_config_starts_with_its_command_and_the_measured_score_and_time(path: Path) -> None:
    header = re.match(r"(#.*\n)+", path.read_text())
    assert header is not None
    assert f"dlrun train configs/{path.name}" in header[0]
    assert re.search(r"^# Expect .*\d", header[0], re.MULTILINE)
    assert re.search(r"in \d[\d.:]* (s|min)\b.* on ", header[0].replace("\n# ", " "))


@pytest.mark.tensorflow
@pytest.mark.parametrize("path", [path for path in CONFIGS if PARAMETERS.get(path.stem)], ids=name)
def test_a_named_model_has_the_parameters_computed_by_hand(path: Path) -> None:
    from dlrun.spec.checks.check import settled_target, target_of

    spec = read_spec(path).spec
    description = spec.dataset.describe()
    assert description is not None
    target = target_of(spec.model, description.features, description.target)
    assert target is not None
    model = spec.model.build(description.features, settled_target(spec.loss, spec.model, target))
    assert model.count_params() == PARAMETERS[path.stem]


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[pytest.mark.soak] if path.stem in SLOW else [], id=name(path))
        for path in CONFIGS + STARTERS
    ],
)
def test_a_config_trains(
    path: Path, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dlrun.experiment import train as experiment

    assert {each.stem for each in CONFIGS} >= WITH_REPORT
    overrides = ("training.epochs=null", "training.steps=20", *find_data(path.stem, request, monkeypatch))
    if "phases:" in path.read_text():  # they are counted in epochs
        overrides = ("training.epochs=2", "dataset.validation=0.9", *find_data(path.stem, request, monkeypatch))
    if "warmup_epochs" in path.read_text():
        overrides = (*overrides, "schedule.warmup_epochs=0.1")
    if path.stem not in WITH_REPORT:
        overrides = (*overrides, "training.report=false", "training.jit=off")
    if (
        path.stem.startswith("mnist") and "validation: 0.1" in path.read_text()
    ):  # 6,000 images take longer than 20 steps
        overrides = (*overrides, "dataset.validation=100")
    if path.stem == "digits_unet":
        overrides = (*overrides, "dataset.examples=200")
    result = experiment.train(path, overrides=overrides, runs_dir=tmp_path)
    assert result.record["status"] == "completed"
    assert all(value == value for scores in result.scores.values() for value in scores.values())  # noqa: PLR0124, no NaN


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("config", "accuracy"),
    [
        ("digits_cnn", 0.97),
        pytest.param("mnist_mlp", 0.975, marks=pytest.mark.soak),
        pytest.param("mnist_cnn", 0.988, marks=pytest.mark.soak),
        pytest.param("text_lstm", 0.99, marks=pytest.mark.soak),
        pytest.param("spoken_digits", 0.97, marks=pytest.mark.soak),
        pytest.param("reviews_bow", 0.75, marks=pytest.mark.soak),
        pytest.param("reviews_cnn", 0.75, marks=pytest.mark.soak),
        pytest.param("reviews_lstm", 0.75, marks=pytest.mark.soak),
    ],
)
def test_a_config_reaches_its_documented_score(
    config: str, accuracy: float, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dlrun.experiment import train as experiment

    overrides = find_data(config, request, monkeypatch)
    result = experiment.train(ROOT / "configs" / f"{config}.yaml", overrides=overrides, runs_dir=tmp_path)
    assert result.scores["test"]["accuracy"] >= accuracy
