"""Rebuild a Keras model from layers that every export format supports, with the same computation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlrun.models.parts.block_lstm import block_lstm
from dlrun.models.parts.reversible_dense import reversible_dense
from dlrun.system.keras_internals import all_layers

if TYPE_CHECKING:
    import keras


def in_plain_layers(core: keras.Model) -> keras.Model:
    """Return a float32 copy with Keras' LSTM and Dropout for dlrun's, and separate Dense layers for tied ones.

    A layer of dlrun with the method `in_plain_layers` is replaced by what that computes.
    """
    return _in_operations(_untied(_rebuilt(core)))


def without_bincount(preprocess: keras.Model) -> keras.Model:
    """Return a copy that counts ids by adding one-hot vectors."""
    import keras

    if not any(_counts(layer) for layer in all_layers(preprocess)):
        return preprocess

    def call(layer: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(layer, keras.Model):  # the preprocessing of a member of an ensemble
            return without_bincount(layer)(*arguments, **options)
        if not _counts(layer):
            return layer(*arguments, **options)
        one_hot = keras.ops.one_hot(arguments[0], layer.num_tokens, dtype="float32")
        # multi_hot tells whether an id occurs, count how often.
        return (keras.ops.max if layer.output_mode == "multi_hot" else keras.ops.sum)(one_hot, axis=1)

    copy: keras.Model = keras.models.clone_model(preprocess, call_function=call)
    copy.set_weights(preprocess.get_weights())
    return copy


def stop_recurrent_dropout(core: keras.Model) -> None:
    """Set the dropout of all recurrent layers to 0, in place; this does not change any prediction.

    Keras 3.15 draws the masks of a recurrent layer even for predictions, which ignore them. The seed generator that it
    draws them from is a variable, and ONNX has no variables. All other layers draw in training only.
    """
    for layer in all_layers(core):
        if hasattr(layer, "get_recurrent_dropout_mask"):
            layer.dropout = layer.recurrent_dropout = 0.0


def stop_cudnn(core: keras.Model) -> None:
    """Keep all recurrent layers from using cuDNN, in place; this changes predictions by rounding only.

    On a machine with a GPU, Keras 3.15 would otherwise export operations that no other machine can compute, and that
    tf2onnx cannot convert (https://github.com/keras-team/keras/issues/21799).
    """
    for layer in all_layers(core):
        if hasattr(layer, "use_cudnn"):
            layer.use_cudnn = False


def with_float_resizing(raw: keras.Model) -> keras.Model:
    """Return a copy that resizes integer images in float32 and rounds; other runtimes do not resize integers."""
    import keras

    if not rounds_pixels(raw):
        return raw

    def call(layer: Any, *arguments: Any, **options: Any) -> Any:
        if not _resizes_integers(layer):
            return layer(*arguments, **options)
        resize = keras.layers.Resizing.from_config({**layer.get_config(), "dtype": "float32"})
        resized = keras.ops.round(resize(keras.ops.cast(arguments[0], "float32"), training=False))
        # Some interpolations overshoot the range of pixels, and the cast would turn 256 into 0.
        return keras.ops.cast(keras.ops.clip(resized, 0, 255), layer.compute_dtype)

    copy: keras.Model = keras.models.clone_model(raw, call_function=call)
    copy.set_weights(raw.get_weights())
    return copy


def rounds_pixels(raw: keras.Model) -> bool:
    """Return whether a model resizes integer images to integers."""
    return any(_resizes_integers(layer) for layer in raw.layers)


def _resizes_integers(layer: Any) -> bool:
    return type(layer).__name__ == "Resizing" and "int" in str(layer.compute_dtype)


def _counts(layer: Any) -> bool:
    return type(layer).__name__ == "CategoryEncoding" and layer.output_mode in ("multi_hot", "count")


def _rebuilt(core: keras.Model) -> keras.Model:
    """Return a float32 copy with Keras' LSTM and Dropout instead of dlrun's."""
    import keras

    try:
        serialized = _plain(keras.saving.serialize_keras_object(core))
        copy = keras.saving.deserialize_keras_object(serialized)
        copy.set_weights(core.get_weights())
    except Exception:  # noqa: BLE001  a plugin's layers may fail to be rebuilt with any exception
        return core
    return copy


def _plain(node: Any) -> Any:
    if isinstance(node, list | tuple):
        return type(node)(_plain(each) for each in node)
    if not isinstance(node, dict):
        return node
    if node.get("class_name") == block_lstm().__name__:
        node = {**node, "module": "keras.layers", "class_name": "LSTM", "registered_name": None}
    if node.get("class_name") == "Dropout":
        # Training replaces its class by dlrun's, which only differs in its random numbers.
        node = {**node, "module": "keras.layers", "registered_name": None}
    # A mixed policy computes in 16 bits, but the copy is to compute in float32.
    if node.get("class_name") == "DTypePolicy" and node["config"].get("name", "").startswith("mixed"):
        return {**node, "config": {"name": "float32"}}
    return {key: _plain(each) for key, each in node.items()}


def _untied(core: keras.Model) -> keras.Model:
    """Return a copy with one Dense layer for each direction of a `ReversibleDense`."""
    import keras

    tied = {layer.name: layer for layer in core.layers if isinstance(layer, reversible_dense())}
    if not tied:
        return core
    made: dict[str, Any] = {}

    def call(layer: Any, *arguments: Any, **options: Any) -> Any:
        own = tied.get(layer.name)
        if own is None:
            return layer(*arguments, **options)
        name = f"{own.name}_reverse" if options.get("reverse") else own.name
        if name not in made:
            units = own.kernel.shape[0] if options.get("reverse") else own.units
            made[name] = keras.layers.Dense(units, name=name)
        return made[name](arguments[0])

    # `call` above applies Dense layers in place of a tied one, so its clone only has to exist.
    def clone(layer: Any) -> Any:
        return (
            keras.layers.Identity(name=layer.name)
            if layer.name in tied
            else type(layer).from_config(layer.get_config())
        )

    copy = keras.models.clone_model(core, clone_function=clone, call_function=call)
    for layer in copy.layers:
        if layer.name in tied:
            layer.set_weights([tied[layer.name].kernel.numpy(), tied[layer.name].bias.numpy()])
        elif layer.name in made:
            # The way back has the transposed kernel, but a bias of its own.
            own = tied[layer.name.removesuffix("_reverse")]
            layer.set_weights([own.kernel.numpy().T, own.reverse_bias.numpy()])
        elif layer.weights:
            layer.set_weights(core.get_layer(layer.name).get_weights())
    return copy


def _in_operations(core: keras.Model) -> keras.Model:
    """Return a copy with what the `in_plain_layers` of dlrun's layers computes, with constant weights."""
    import keras

    own = {layer.name: layer for layer in core.layers if _has_operations(layer)}
    if not own:
        return core

    def call(layer: Any, *arguments: Any, **options: Any) -> Any:
        replaced = own.get(layer.name)
        if replaced is None:
            return layer(*arguments, **options)
        # A model inside is a member of an ensemble.
        is_model = isinstance(replaced, keras.Model)
        return _in_operations(replaced)(arguments[0]) if is_model else replaced.in_plain_layers(arguments[0])

    def clone(layer: Any) -> Any:
        if layer.name in own:
            return keras.layers.Identity(name=layer.name)
        return type(layer).from_config(layer.get_config())

    copy = keras.models.clone_model(core, clone_function=clone, call_function=call)
    for layer in copy.layers:
        if layer.weights and layer.name not in own:
            layer.set_weights(core.get_layer(layer.name).get_weights())
    return copy


def _has_operations(layer: Any) -> bool:
    """Return whether a layer, or a layer of a model inside, is replaced by what its `in_plain_layers` computes."""
    import keras

    if isinstance(layer, keras.Model):
        return any(hasattr(inner, "in_plain_layers") for inner in all_layers(layer))
    return hasattr(layer, "in_plain_layers")
