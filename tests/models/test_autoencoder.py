from typing import Any

import pytest

from dlrun.models.autoencoder import Autoencoder
from dlrun.signature import Features, Target

MNIST = Features("image", (28, 28, 1))


def build(features: Features, **keys: Any) -> Any:
    return Autoencoder(**keys).build(features, Target.of_input(features))


def convolutional(*filters: int, **keys: Any) -> Autoencoder:
    return Autoencoder(encoder="convolutional", filters=filters, **keys)


@pytest.mark.parametrize(
    ("keys", "paths"),
    [
        ({"latent_units": 8}, []),
        ({}, [()]),
        ({"latent_units": 8, "filters": (8,)}, [("filters",)]),
        ({"latent_units": 8, "kernel_size": 3}, [("kernel_size",)]),
        ({"encoder": "convolutional", "filters": (8,)}, []),
        ({"encoder": "convolutional"}, [()]),
        ({"encoder": "convolutional", "filters": (8,), "tied": True}, [("tied",)]),
        ({"encoder": "convolutional", "filters": (8,), "units": (8,)}, [("units",)]),
        ({"latent_units": 8, "tied": True, "numeric_embedding": "periodic"}, [("tied",)]),
        ({"encoder": "convolutional", "filters": (8,), "latent_activation": "relu"}, [("latent_activation",)]),
    ],
)
def test_key_of_the_other_kind_of_encoder_is_a_problem_and_not_ignored(
    keys: dict[str, Any], paths: list[tuple[str, ...]]
) -> None:
    problems = list(Autoencoder(**keys).problems())
    assert [problem.path for problem in problems] == paths
    assert all(problem.hint for problem in problems)


def test_layer_that_would_halve_1x1_is_found() -> None:
    assert not list(convolutional(8, 8, 8).misfits(Features("image", (8, 8, 1))))
    (problem,) = convolutional(8, 8, 8, 8).misfits(Features("image", (8, 8, 1)))
    assert problem.path == ("filters", 3)
    assert problem.what == "layer 4 cannot halve its input, which is only 1x1"
    assert problem.hint == "filters: [8, 8, 8]"


def test_convolutional_encoder_of_a_vector_is_a_problem() -> None:
    (problem,) = convolutional(8).misfits(Features("vector", (9,)))
    assert problem.path == ("encoder",)
    assert not list(Autoencoder(latent_units=8).misfits(Features("vector", (9,))))


def test_kernel_with_two_numbers_for_one_axis_is_a_problem() -> None:
    (problem,) = convolutional(8, kernel_size=(3, 3)).misfits(Features("sequence", (9, 2)))
    assert problem.path == ("kernel_size",)


def test_output_activation_is_its_own_for_every_loss() -> None:
    target = Target("input", 784, activation="softmax")
    assert Autoencoder(latent_units=8, output_activation="sigmoid").final_activation(target) == "sigmoid"
    assert Autoencoder.target_is_input


@pytest.mark.tensorflow
def test_tied_kernels_are_counted_once() -> None:
    kernels = 784 * 128 + 128 * 64 + 64 * 32
    biases = 128 + 64 + 32 + 64 + 128 + 784
    assert build(MNIST, units=(128, 64), latent_units=32).count_params() == 2 * kernels + biases
    assert build(MNIST, units=(128, 64), latent_units=32, tied=True).count_params() == kernels + biases


@pytest.mark.tensorflow
def test_tied_decoder_multiplies_by_the_transposed_kernel() -> None:
    import numpy as np

    x = np.random.default_rng(0).random((5, 7)).astype("float32")
    model = build(Features("vector", (7,)), latent_units=3, tied=True)
    kernel, bias, reverse_bias = np.random.default_rng(1).normal(size=(7, 3)), np.full(3, 0.5), np.full(7, 0.25)
    model.set_weights([kernel, bias, reverse_bias])
    np.testing.assert_allclose(model(x), (x @ kernel + bias) @ kernel.T + reverse_bias, rtol=1e-4, atol=1e-6)


@pytest.mark.tensorflow
def test_tied_penalty_counts_each_kernel_once() -> None:
    import numpy as np

    model = build(Features("vector", (7,)), units=(5,), latent_units=3, tied=True, l2=0.5)
    kernels = [model.get_layer(name).kernel.numpy() for name in ("encoder_1", "latent")]
    expected = sum(0.5 * (kernel**2).sum() for kernel in kernels)
    assert float(np.sum(model.losses)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.tensorflow
@pytest.mark.parametrize("size", [(28, 28), (7, 7), (9, 4), (5, 6), (3, 2), (1, 2), (13, 1)])
@pytest.mark.parametrize("kernel_size", [2, 3, (5, 4)])
def test_decoder_restores_every_size(size: tuple[int, int], kernel_size: Any) -> None:
    features = Features("image", (*size, 3))
    model = build(features, encoder="convolutional", filters=(4, 3), kernel_size=kernel_size)
    assert model.output_shape == model.input_shape == (None, *size, 3)


@pytest.mark.tensorflow
@pytest.mark.parametrize("steps", [8, 7, 5])
def test_decoder_restores_every_number_of_steps(steps: int) -> None:
    model = build(Features("sequence", (steps, 2)), encoder="convolutional", filters=(4, 3), latent_units=6)
    assert model.output_shape == (None, steps, 2)


@pytest.mark.tensorflow
def test_noise_is_added_in_training_only() -> None:
    import numpy as np

    x = np.zeros((2, 28, 28, 1), "float32")
    model = build(MNIST, latent_units=8, input_noise=0.5)
    clean = [np.asarray(model(x, training=False)) for _ in range(2)]
    noisy = [np.asarray(model(x, training=True)) for _ in range(2)]
    np.testing.assert_array_equal(clean[0], clean[1])
    assert not np.allclose(noisy[0], noisy[1])


@pytest.mark.tensorflow
def test_sparsity_penalty_is_the_batch_mean_of_the_absolute_sum_of_the_code() -> None:
    import keras
    import numpy as np

    x = np.random.default_rng(0).random((5, 7)).astype("float32")
    model = build(Features("vector", (7,)), latent_units=3, activity_l1=0.1)
    model(x)
    (penalty,) = model.losses
    code = keras.Model(model.input, model.get_layer("latent").output)(x)
    assert float(penalty) == pytest.approx(0.1 * np.abs(code).sum() / 5, rel=1e-5)


@pytest.mark.tensorflow
def test_reconstruction_and_code_have_activations_of_their_own() -> None:
    model = build(
        MNIST,
        units=(16,),
        latent_units=8,
        activation="elu",
        latent_activation="relu",
        output_activation="sigmoid",
    )
    activations = {
        layer.name: layer.activation.__name__ for layer in model.layers if layer.name.endswith("_activation")
    }
    assert activations == {
        "encoder_1_activation": "elu",
        "latent_activation": "relu",
        "decoder_1_activation": "elu",
        "output_activation": "sigmoid",
    }
