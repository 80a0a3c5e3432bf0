"""The residual networks of the paper: their sizes, computed independently, and what a block computes."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from dlrun.models.resnet import ResNet
from dlrun.signature import Features, Target

CIFAR, IMAGENET = Features("image", (32, 32, 3)), Features("image", (224, 224, 3))
TEN, THOUSAND = Target("classes", 10), Target("classes", 1000)


def built(depth: Any, features: Features = CIFAR, target: Target = TEN, **keys: Any) -> Any:
    return ResNet(depth=depth, **keys).build(features, target)


def by_hand(depth: int) -> int:
    """Trainable parameters of a form for CIFAR: kernels, two numbers of normalization for each filter, the head."""
    blocks = (depth - 2) // 6
    total = 9 * 3 * 16 + 2 * 16
    for before, filters in ((16, 16), (16, 32), (32, 64)):
        total += 9 * before * filters + (2 * blocks - 1) * 9 * filters**2 + 2 * blocks * 2 * filters
    return total + 64 * 10 + 10


def trainable(model: Any) -> int:
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def test_a_depth_that_the_paper_has_not_is_refused() -> None:
    with pytest.raises(ValidationError):
        ResNet.model_validate({"depth": 21})


def test_token_ids_need_an_embedding() -> None:
    (problem,) = ResNet().misfits(Features("tokens", (20,), vocabulary_size=50))
    assert problem.hint == "embedding_size: 64"


# Table 6 of the paper: 0.27, 0.46, 0.66, 0.85 and 1.7 million. From 18 on: the numbers of torchvision's models.
@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("depth", "parameters"),
    [
        (20, 269_722),
        *(
            pytest.param(depth, parameters, marks=pytest.mark.soak)
            for depth, parameters in (
                (32, 464_154), (44, 658_586), (56, 853_018), (110, 1_727_962), (18, 11_689_512), (34, 21_797_672),
                (50, 25_557_032), (101, 44_549_160), (152, 60_192_808),
            )
        ),
    ],
)  # fmt: skip
def test_the_networks_have_the_sizes_of_the_paper(depth: int, parameters: int) -> None:
    is_for_cifar = depth in (20, 32, 44, 56, 110)
    model = built(depth) if is_for_cifar else built(depth, IMAGENET, THOUSAND)
    assert trainable(model) == parameters
    assert not is_for_cifar or by_hand(depth) == parameters


@pytest.mark.tensorflow
def test_the_stages_halve_height_and_width_and_double_the_filters() -> None:
    model = built(20)
    shapes = [model.get_layer(f"stage_{stage}_block_3_add").output.shape[1:] for stage in (1, 2, 3)]
    assert shapes == [(32, 32, 16), (16, 16, 32), (8, 8, 64)]


@pytest.mark.tensorflow
@pytest.mark.soak
def test_the_bottleneck_networks_for_large_images_end_with_2048_values() -> None:
    model = built(50, IMAGENET, THOUSAND)
    assert model.get_layer("stem_pool").output.shape[1:] == (56, 56, 64)
    assert model.get_layer("stage_4_block_3_add").output.shape[1:] == (7, 7, 2048)


@pytest.mark.tensorflow
def test_a_block_whose_branch_is_zero_passes_on_its_input_with_zeros_for_the_new_filters() -> None:
    model = built(20, Features("sequence", (9, 2)), filters=3)
    for layer in model.layers:
        if layer.name.startswith("stage") and layer.name.endswith("conv_2_batch_normalization"):
            layer.set_weights([np.zeros_like(layer.gamma), *layer.get_weights()[1:]])
    import keras

    between = keras.Model(
        model.input, [model.get_layer("stem_activation").output, model.get_layer("stage_3_block_3_add").output]
    )
    stem, last = between(np.random.default_rng(0).normal(size=(2, 9, 2)).astype("float32"))
    np.testing.assert_array_equal(last[..., :3], stem[:, ::2][:, ::2])
    assert not np.any(last[..., 3:])
