"""What a frozen network computes is kept, and nothing else changes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.experiment.train import train
from dlrun.exporting.export import export

pytestmark = pytest.mark.tensorflow


def spec(folder: Path, **keys: Any) -> dict[str, Any]:
    """A spec for a few pictures of two classes, one of them darker, and a small network with random weights."""
    random = np.random.default_rng(0)
    labels = np.arange(70) % 2
    pictures = random.integers(0, 120 + 60 * labels[:, None, None, None], (70, 32, 32, 3)).astype(np.uint8)
    np.savez(folder / "pictures.npz", x_train=pictures, y_train=labels)
    return {
        "name": "pictures",
        "dataset": {"type": "arrays", "path": str(folder / "pictures.npz"), "validation": 20} | keys.pop("dataset", {}),
        "model": {"type": "pretrained", "backbone": "mobilenet", "alpha": 0.25, "weights": "none"}
        | keys.pop("model", {}),
        "loss": "sparse_categorical_crossentropy",
        "metrics": ["accuracy"],
        "training": {"batch_size": 16, "epochs": 2, "report": False, "tensorboard": False} | keys.pop("training", {}),
    }


@pytest.mark.soak
def test_the_head_learns_the_same_from_kept_features_as_through_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dlrun.training import setup

    kept = train(spec(tmp_path), runs_dir=tmp_path).record
    assert kept["features"]["value"] == "once"
    monkeypatch.setattr(setup.TrainingSetup, "computes_features_once", False)
    through = train(spec(tmp_path), runs_dir=tmp_path).record
    assert kept["weights_sha256"] == through["weights_sha256"]
    assert kept["result"] == through["result"]
    # What goes in raw comes out raw: the file has the preprocessing of pixels, and is compared with the original.
    export(kept["id"], to="keras", output=tmp_path / "model.keras", runs_dir=tmp_path)


@pytest.mark.soak
def test_with_augmentation_the_network_computes_in_each_step_and_says_why(tmp_path: Path) -> None:
    augmented = spec(tmp_path, dataset={"augmentation": {"flip": "horizontal"}})
    features = train(augmented, runs_dir=tmp_path).record["features"]
    assert features["value"] == "in each step"
    assert "augmentation" in features["reason"]


@pytest.mark.soak
def test_the_features_of_an_example_depend_on_nothing_but_the_example(tmp_path: Path) -> None:
    import keras

    from dlrun.models.pretrained.pretrained import Pretrained
    from dlrun.signature import Features, PixelRange, Target
    from dlrun.training.transfer.features import FrozenNetwork

    model = Pretrained(backbone="mobilenet", alpha=0.25, weights="none")
    image = Features("image", (32, 32, 3), pixel_range=PixelRange((0.0,) * 3, (1.0,) * 3))
    inputs = keras.Input((32, 32, 3))
    network = FrozenNetwork(
        keras.Model(inputs, keras.layers.Identity()(inputs)),
        model.build(image, Target("classes", 2)),
        model.frozen_layer(),
        {"seed": str(tmp_path)},
    )
    pictures = np.random.default_rng(0).random((70, 32, 32, 3), dtype="float32")
    whole = network.features(pictures, fingerprint="whole", what="")
    part = network.features(pictures[65:], fingerprint="part", what="")
    again = network.features(pictures, fingerprint="whole", what="")
    np.testing.assert_array_equal(whole.value[65:], part.value)
    assert (whole.is_reused, again.is_reused) == (False, True)
