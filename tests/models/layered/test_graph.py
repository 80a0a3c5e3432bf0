"""The graph: ten mistakes, each at its place; and what it builds is what it says."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.errors import SpecError
from dlrun.models.layered.graph import Graph
from dlrun.models.layered.sequential import Sequential
from dlrun.signature import Features, Target
from dlrun.spec.parse import read_spec

IMAGE = Features("image", (8, 8, 1))
TOKENS = Features("tokens", (6,), vocabulary_size=20)
TEN = Target("classes", 10).with_encoding("index")
SOUND = """\
dataset: {type: builtin, name: digits}
model:
  type: graph
  layers:
    - Conv2D: {name: stem, filters: 8, kernel_size: 3, padding: same}
    - Conv2D: {name: a, filters: 8, kernel_size: 3, padding: same}
    - Conv2D: {name: b, filters: 8, kernel_size: 1, inputs: stem}
    - Add: {name: sum, inputs: [a, b]}
    - GlobalAveragePooling2D
    - Dense: {name: answer, units: 10}
loss: sparse_categorical_crossentropy
"""


def problems(folder: Path, text: str) -> list[Any]:
    (folder / "graph.yaml").write_text(text)
    try:
        read_spec(folder / "graph.yaml")
    except SpecError as error:
        return list(error.problems)
    return []


def test_a_sound_graph_has_no_problem(tmp_path: Path) -> None:
    assert problems(tmp_path, SOUND) == []


@pytest.mark.parametrize(
    ("right", "wrong", "marked", "said"),
    [
        ("- Add: {name", "- Ad: {name", "Ad: {name", "there is no layer 'Ad'"),
        ("inputs: stem", "inputs: stemm", "stemm", "there is no layer named 'stemm'"),
        ("same}\n    - Conv2D: {name: a", "same, inputs: sum}\n    - Conv2D: {name: a", "sum}",
         "the layers form a cycle: stem -> a -> sum -> stem"),
        ("[a, b]", "[a, stem]", "Conv2D: {name: b", "no layer takes the output of 'b'"),
        ("name: b", "name: a", "a, filters: 8, kernel_size: 1", "two layers have the name 'a'"),
        ("name: b", "name: features", "features,", "features is the input's name"),
        ("name: b, filters: 8", "name: b, filters: 4", "inputs: [a", "a is 8 x 8 x 8, b is 8 x 8 x 4"),
        ("[a, b]", "[a]", "inputs: [a", "Add gets 1 input"),
        ("kernel_size: 1", "kernel_size: 9", "9, inputs", "the kernel is 9x9 but its input is 8x8"),
        ("    - GlobalAveragePooling2D\n", "", "Dense", "the model returns 8 x 8 x 10 for one example"),
        ("units: 10}", "units: 9}", "9}", "the last layer returns 9 values"),
        ("units: 10}", "units: 10, inputs: [a, b]}", "inputs: [a, b]}", "Dense gets 2 inputs"),
        ("graph\n", "graph\n  output: answr\n", "answr", "there is no layer named 'answr'"),
        ("10}", "10}\n    - Dropout: {name: d, rate: 0.5, inputs: d}", "d}", "the layers form a cycle: d -> d"),
        ("inputs: stem", "input: stem", "input: stem", "has no argument 'input'"),
    ],
)  # fmt: skip
def test_each_mistake_is_answered_at_its_place(tmp_path: Path, right: str, wrong: str, marked: str, said: str) -> None:
    assert right in SOUND
    found = [problem for problem in problems(tmp_path, SOUND.replace(right, wrong, 1)) if said in problem.what]
    assert len(found) == 1
    assert found[0].text[found[0].column - 1 :].startswith(marked)


def test_mistakes_in_the_links_are_reported_at_once(tmp_path: Path) -> None:
    text = SOUND.replace("inputs: stem", "inputs: stemm").replace("[a, b]", "[a]").replace("name: a,", "name: b,")
    assert [problem.line for problem in problems(tmp_path, text)] == [7, 7, 8, 8]


def graph(*layers: Any, **keys: Any) -> Graph:
    return Graph(layers=layers, **keys)


def test_a_graph_is_written_as_it_was_read() -> None:
    layers = [{"Dense": {"name": "a", "units": 3, "inputs": ["features"]}}, {"Add": {"inputs": ["a", "a"]}}]
    made = Graph.model_validate({"layers": (
        {"Dense": {"name": "a", "units": 3, "inputs": "features"}}, {"Add": {"inputs": ("a", "a")}},
    )})  # fmt: skip
    assert made.plain() == {"type": "graph", "numeric_embedding": "none", "layers": layers, "output": None}


def test_a_layer_with_several_inputs_has_no_activation_and_a_dropout_passes_it_on() -> None:
    soft = {"Dense": {"name": "a", "units": 10, "activation": "softmax"}}
    assert graph(soft, {"Dropout": {"rate": 0.1}}).final_activation(TEN) == "softmax"
    assert graph(soft, {"Add": {"inputs": ("a", "a")}}).final_activation(TEN) == "linear"
    assert graph(soft, {"Flatten": {"name": "x", "inputs": "features"}}, output="a").final_activation(TEN) == "softmax"


# --- with TensorFlow ---

RESIDUAL = (
    {"Add": {"name": "sum", "inputs": ("stem", "branch")}},
    {"Conv2D": {"name": "branch", "filters": 4, "kernel_size": 3, "padding": "same", "inputs": "stem"}},
    {"Conv2D": {"name": "stem", "filters": 4, "kernel_size": 3, "padding": "same", "inputs": "features"}},
    {"Flatten": {"inputs": "sum"}},
    {"Dense": {"name": "answer", "units": 10}},
)
ATTENTION = (
    {"Embedding": {"input_dim": 20, "output_dim": 6, "mask_zero": True}},
    {"GRU": {"name": "states", "units": 5, "return_sequences": True}},
    {"MultiHeadAttention": {"name": "heads", "num_heads": 2, "key_dim": 3, "inputs": ("states", "states")}},
    {"Attention": {"name": "seen", "inputs": ("states", "heads")}},
    {"Concatenate": {"inputs": ("states", "seen")}},
    "GlobalMaxPooling1D",
    {"Dense": {"name": "left", "units": 10}},
    {"Dense": {"name": "right", "units": 10, "inputs": "6_global_max_pooling1d"}},
    {"Add": {"name": "answer", "inputs": ("left", "right")}},
)
GRU_5 = 3 * (6 * 5 + 5 * 5 + 2 * 5)
HEADS = 3 * (5 * 6 + 6) + (6 * 5 + 5)


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("layers", "features", "parameters"),
    [
        (RESIDUAL, IMAGE, (9 * 4 + 4) + (9 * 4 * 4 + 4) + (8 * 8 * 4 * 10 + 10)),
        (ATTENTION, TOKENS, 20 * 6 + GRU_5 + HEADS + 2 * (10 * 10 + 10)),
    ],
    ids=["residual", "attention"],
)
def test_a_graph_has_its_parameters_its_names_and_a_float32_output_and_learns(
    layers: Any, features: Features, parameters: int
) -> None:
    import keras

    component, random = graph(*layers), np.random.default_rng(0)
    assert not [*component.problems(), *component.misfits(features), *component.misfits_target(TEN)]
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = component.build(features, TEN)
    finally:
        keras.config.set_dtype_policy(policy)
    assert mixed.output.dtype == "float32"
    last = {"left", "right", "answer"} if features is TOKENS else {"answer"}
    precise = {layer.name for layer in mixed.layers[1:] if layer.compute_dtype == "float32"}
    assert precise == last
    model = component.build(features, TEN)
    assert model.count_params() == parameters
    assert [layer.name for layer in model.layers] == [layer.name for layer in component.build(features, TEN).layers]
    examples = random.integers(1, 20, (32, *features.shape)).astype("int32" if features is TOKENS else "float32")
    copy = keras.Model.from_config(model.get_config())
    copy.set_weights(model.get_weights())
    np.testing.assert_array_equal(copy(examples), model(examples))
    model.compile(keras.optimizers.Adam(0.02), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    target = examples.reshape(32, -1)[:, 0].astype("int32") % 10
    losses = [float(model.train_on_batch(examples, target)) for _ in range(40)]
    assert losses[-1] < losses[0] / 2


@pytest.mark.tensorflow
def test_a_list_of_a_sequential_model_is_the_same_model_as_a_graph() -> None:
    layers: Any = ({"Conv2D": {"filters": 3, "kernel_size": 3}}, "MaxPooling2D", "Flatten", {"Dense": {"units": 10}})
    one, other = Sequential(layers=layers).build(IMAGE, TEN), graph(*layers).build(IMAGE, TEN)
    assert [weight.path for weight in one.weights] == [weight.path for weight in other.weights]
    other.set_weights(one.get_weights())
    images = np.random.default_rng(0).normal(size=(3, 8, 8, 1)).astype("float32")
    np.testing.assert_array_equal(one(images), other(images))
