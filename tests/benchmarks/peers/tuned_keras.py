"""Contestant: Keras by someone who has read its performance guides.

tf.data (cache, shuffle, batch, prefetch), many steps in one call (`steps_per_execution`), mixed precision where dlrun
chooses it too, XLA where it wins (`Work.xla`), logits instead of probabilities, and large batches for evaluation.
"""

from __future__ import annotations

import time

import keras
import tensorflow as tf
from keras_parts import EpochTimes, build, score_of
from works import (
    EVALUATION_BATCH_SIZE,
    LEARNING_RATE,
    Score,
    cpu_has_amx,
    read_arguments,
    report,
    timed_evaluation,
)

STEPS_PER_EXECUTION = 100

given = read_arguments()
work = given.work
x, y = given.load("train")
train = tf.data.Dataset.from_tensor_slices((x, y)).cache().shuffle(len(x)).batch(work.batch_size)
test = tf.data.Dataset.from_tensor_slices(given.load("test")).batch(EVALUATION_BATCH_SIZE).cache()
train, test = train.prefetch(tf.data.AUTOTUNE), test.prefetch(tf.data.AUTOTUNE)

precision = "bfloat16" if work.has_convolutions and cpu_has_amx() else "float32"
keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bfloat16" else "float32")
model = build(work, x.shape[1:], softmax=False)
model.compile(
    optimizer=keras.optimizers.Adam(LEARNING_RATE),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True) if work.outputs > 1 else "mean_squared_error",
    metrics=["accuracy" if work.outputs > 1 else "mean_absolute_error"],
    steps_per_execution=STEPS_PER_EXECUTION,
    jit_compile=work.xla,
)
times = EpochTimes()
started = time.perf_counter()
model.fit(train, epochs=given.epochs, verbose=0, callbacks=[times])
train_seconds = time.perf_counter() - started


def evaluate() -> Score:
    """Score the test split."""
    return score_of(model.evaluate(test, verbose=0, return_dict=True))


score, evaluate_seconds = timed_evaluation(evaluate)
report(
    epoch_seconds=times.seconds,
    train_seconds=train_seconds,
    score=score,
    evaluate_seconds=evaluate_seconds,
    precision=precision,
    jit="on" if work.xla else "off",
    parameters=model.count_params(),
)
