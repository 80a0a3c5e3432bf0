"""Contestant: Keras as tutorials show it. `fit` and `evaluate` on float32 numpy arrays, every option Keras' default.

`evaluate` therefore takes batches of 32. For a whole command it also validates, and keeps the best model
(ModelCheckpoint) and the history (CSVLogger) in the current folder, as dlrun keeps its run.
"""

from __future__ import annotations

import time
from typing import Any

import keras
from keras_parts import EpochTimes, build, score_of
from works import LEARNING_RATE, Score, read_arguments, report, timed_evaluation

given = read_arguments()
work = given.work
x, y = given.load("train")
x_test, y_test = given.load("test")

model = build(work, x.shape[1:], softmax=True)
model.compile(
    optimizer=keras.optimizers.Adam(LEARNING_RATE),
    loss="sparse_categorical_crossentropy" if work.outputs > 1 else "mean_squared_error",
    metrics=["accuracy" if work.outputs > 1 else "mean_absolute_error"],
)
times = EpochTimes()
options: dict[str, Any] = {"batch_size": work.batch_size, "epochs": given.epochs, "verbose": 0, "callbacks": [times]}
if work.whole_command:
    options["validation_data"] = given.load("validation")
    options["callbacks"] += [
        keras.callbacks.ModelCheckpoint("best.keras", save_best_only=True),
        keras.callbacks.CSVLogger("history.csv"),
    ]
started = time.perf_counter()
model.fit(x, y, **options)
train_seconds = time.perf_counter() - started


def evaluate() -> Score:
    """Score the test split."""
    return score_of(model.evaluate(x_test, y_test, verbose=0, return_dict=True))


score, evaluate_seconds = (evaluate(), None) if work.whole_command else timed_evaluation(evaluate)
report(
    epoch_seconds=times.seconds,
    train_seconds=train_seconds,
    score=score,
    evaluate_seconds=evaluate_seconds,
    precision="float32",
    parameters=model.count_params(),
)
