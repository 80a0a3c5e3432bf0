"""Contestant: Keras' `fit`, tuned: tf.data with a cache, prefetching, many steps in one call, mixed precision."""

from __future__ import annotations

import keras
import tensorflow as tf
from gpu_works import Work, arrays, read_arguments, report

STEPS_PER_EXECUTION = 50


def build(work: Work) -> keras.Model:
    """Make the model; the output layer is float32 under every dtype policy."""
    layers = keras.layers
    makers = {
        "convolution_valid": lambda value: layers.Conv2D(int(value), 3),
        "convolution_same": lambda value: layers.Conv2D(int(value), 3, padding="same"),
        "batch_normalization": lambda _: layers.BatchNormalization(),
        "relu": lambda _: layers.ReLU(),
        "max_pooling": lambda value: layers.MaxPooling2D(int(value)),
        "dropout": layers.Dropout,
        "flatten": lambda _: layers.Flatten(),
        "dense": lambda value: layers.Dense(int(value), activation="relu"),
        "lstm": lambda value: layers.LSTM(int(value)),
    }
    model = keras.Sequential([keras.Input(work.shape)])
    if work.outputs > 1:
        model.add(layers.Rescaling(1 / 255))
    for kind, value in work.layers:
        model.add(makers[kind](value))
    model.add(layers.Dense(work.outputs, dtype="float32"))
    return model


given = read_arguments()
if given.device == "cpu":
    tf.config.set_visible_devices([], "GPU")
for gpu in tf.config.get_visible_devices("GPU"):
    tf.config.experimental.set_memory_growth(gpu, enable=True)
x, y = arrays(given.work, examples=given.examples)
keras.config.set_dtype_policy("float32" if given.precision == "float32" else f"mixed_{given.precision}")
data = tf.data.Dataset.from_tensor_slices((x, y)).cache().shuffle(len(x)).batch(given.batch_size)
data = data.prefetch(tf.data.AUTOTUNE)
steps = -(-len(x) // given.batch_size)
first = (tf.constant(x[: given.batch_size]), tf.constant(y[: given.batch_size]))
one_batch = tf.data.Dataset.from_tensors(first).repeat(steps).prefetch(tf.data.AUTOTUNE)
model = build(given.work)
model.compile(
    optimizer="adam",
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    if given.work.outputs > 1
    else "mean_squared_error",
    metrics=["accuracy" if given.work.outputs > 1 else "mean_absolute_error"],
    steps_per_execution=STEPS_PER_EXECUTION,
)
report(
    lambda: model.fit(data, epochs=1, verbose=0),
    lambda: model.fit(one_batch, epochs=1, verbose=0),
    given,
)
