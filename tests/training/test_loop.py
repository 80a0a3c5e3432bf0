"""The training loop gives the same model as `train_on_batch` on the same batches."""

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.errors import RunError, UsageError
from dlrun.evaluation.evaluate import evaluate
from dlrun.experiment import train as experiment
from dlrun.experiment.session import TrainingResult
from dlrun.spec.parse import read_spec
from dlrun.training.progress.events import (
    EpochDone,
    Event,
    Note,
    RunCreated,
    StepsDone,
    TrainingDone,
    TrainingStarted,
    silent,
)

pytestmark = pytest.mark.tensorflow

MLP = """\
dataset: {type: builtin, name: digits, validation: 0.1}
model: {type: mlp, units: [16]}
optimizer: {type: adam, learning_rate: 3e-3}
loss: sparse_categorical_crossentropy
metrics: [accuracy]
training: {batch_size: 64, epochs: 2, report: false}
"""


def train(tmp_path: Path, *overrides: str, text: str = MLP, listener: Any = None) -> TrainingResult:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    return experiment.train(path, overrides=overrides, runs_dir=tmp_path / "runs", listener=listener or silent)


def arrays(result: TrainingResult) -> dict[str, Any]:
    from dlrun.training.checkpoints.checkpoint import newest_valid

    found = newest_valid(result.folder.checkpoints)
    assert found is not None
    return dict(found.checkpoint.arrays)


def by_hand(
    tmp_path: Path, epochs: int, *, text: str = MLP, class_weight: Any = None
) -> tuple[Any, list[dict[str, float]]]:
    """Train in the same way with Keras' own `train_on_batch`."""
    import keras

    from dlrun.training.step.feed import epoch_order

    path = tmp_path / "hand.yaml"
    path.write_text(text)
    spec = read_spec(path).spec
    dataset = spec.dataset.load()
    split, target = dataset.splits["train"], dataset.target
    assert target is not None
    keras.utils.clear_session()
    keras.utils.set_random_seed(spec.seed)
    model = spec.model.build(dataset.features, spec.loss.settle(target))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(spec.optimizer.build(spec.optimizer.learning_rate), loss, metrics=["accuracy"])
    x, y = split.features.astype(np.float32) * np.float32(1 / 16), split.target
    assert y is not None
    rows = []
    for epoch in range(epochs):
        order = epoch_order(len(split), seed=spec.seed, epoch=epoch, shuffle=True)
        sums: dict[str, float] = {"loss": 0.0, "accuracy": 0.0}
        for first in range(0, len(split), spec.training.batch_size):
            batch = order[first : first + spec.training.batch_size]
            scores = model.train_on_batch(x[batch], y[batch], class_weight=class_weight, return_dict=True)
            sums = {name: sums[name] + float(scores[name]) * len(batch) for name in sums}
        rows.append({name: total / len(split) for name, total in sums.items()})
    return model, rows


@pytest.mark.parametrize("class_weight", [None, {0: 5.0, 3: 0.2}])
def test_the_loop_trains_the_model_that_keras_would(tmp_path: Path, class_weight: dict[int, float] | None) -> None:
    overrides = [f"training.class_weight.{label}={weight}" for label, weight in (class_weight or {}).items()]
    if class_weight:
        class_weight = {label: class_weight.get(label, 1.0) for label in range(10)}
    result = train(tmp_path, *overrides)
    model, rows = by_hand(tmp_path, 2, class_weight=class_weight)
    found = arrays(result)
    for variable in model.variables:
        np.testing.assert_allclose(found[f"model/{variable.path}"], np.asarray(variable), rtol=1e-4, atol=1e-5)
    for row, expected in zip(result.folder.read_metrics(), rows, strict=True):
        assert row["loss"] == pytest.approx(expected["loss"], rel=1e-4)
        assert row["accuracy"] == pytest.approx(expected["accuracy"], rel=1e-4)


def test_two_runs_of_one_spec_are_bit_identical_and_another_seed_is_not(tmp_path: Path) -> None:
    override = "model={type: mlp, units: [16], dropout: 0.3, batch_normalization: true}"
    weights = [train(tmp_path, override).record["weights_sha256"] for _ in range(2)]
    other = train(tmp_path, override, "seed=1").record["weights_sha256"]
    assert weights[0] == weights[1] != other


def test_every_example_counts_in_training_and_in_evaluation(tmp_path: Path) -> None:
    # 1,293 training examples in batches of 1,000 and one of 293; the learning rate is so small that nothing changes.
    result = train(tmp_path, "training.batch_size=1000", "training.epochs=1", "optimizer.learning_rate=1e-12")
    whole = evaluate(result.folder.path, split="train", overrides=("training.evaluation_batch_size=1293",))
    parts = evaluate(result.folder.path, split="train", overrides=("training.evaluation_batch_size=100",))
    row = result.folder.read_metrics()[0]
    for name in ("loss", "accuracy"):
        assert parts["train"].scores[name] == pytest.approx(whole["train"].scores[name], rel=1e-5)
        assert row[name] == pytest.approx(whole["train"].scores[name], rel=1e-5)
    assert row["step"] == 2


def test_the_last_smaller_batch_is_dropped_only_when_asked_for(tmp_path: Path) -> None:
    result = train(tmp_path, "training.batch_size=1000", "training.epochs=1", "training.drop_remainder=true")
    assert result.folder.read_metrics()[0]["step"] == 1


def test_steps_end_the_training_inside_an_epoch(tmp_path: Path) -> None:
    result = train(tmp_path, "training={batch_size: 64, steps: 30, report: false}")
    assert [row["step"] for row in result.folder.read_metrics()] == [21, 30]


def test_compiling_makes_every_variable_before_the_first_step(tmp_path: Path) -> None:
    """Guards the use of Keras' private `_symbolic_build`."""
    from dlrun.training.setup import assemble
    from dlrun.training.variables import read_arrays

    path = tmp_path / "x.yaml"
    path.write_text(MLP.replace("[accuracy]", "[accuracy, f1_score, sparse_categorical_crossentropy]"))
    setup = assemble(read_spec(path), listener=silent)
    model = setup.compiled.model
    before = {name: array.shape for name, array in read_arrays(model).items()}
    feed = setup.training_feed()
    (step_range,) = feed.step_ranges(np.arange(3, dtype=np.int32), batch_size=3, last_step=1)
    model.train_step(feed.batch(step_range.rows[0], step_range.order))
    assert {name: array.shape for name, array in read_arrays(model).items()} == before


def test_xla_trains_the_same_model(tmp_path: Path) -> None:
    plain, compiled = (train(tmp_path, f"training.jit={jit}") for jit in ("off", "on"))
    assert compiled.record["jit"] == {"value": "on", "reason": "asked for"}
    for name, array in arrays(plain).items():
        np.testing.assert_allclose(arrays(compiled)[name], array, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
def test_variables_and_scores_stay_float32_in_every_precision(tmp_path: Path, precision: str) -> None:
    result = train(tmp_path, f"training.precision={precision}", "training.epochs=1")
    assert {str(array.dtype) for name, array in arrays(result).items() if name.startswith("model/")} == {"float32"}
    assert result.record["precision"]["value"] == precision


def test_float16_is_refused_on_a_cpu(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"training\.precision=auto"):
        train(tmp_path, "training.precision=float16", "training.device=cpu")


def test_a_missing_gpu_is_named_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gpu:7"):
        train(tmp_path, "training.device=gpu:7")


def test_early_stopping_restores_the_model_of_the_best_epoch(tmp_path: Path) -> None:
    rule = "training.early_stopping={metric: val_loss, patience_epochs: 2}"
    result = train(tmp_path, rule, "training.epochs=60", "optimizer.learning_rate=0.05")
    rows = result.folder.read_metrics()
    best = min(rows, key=lambda row: row["val_loss"] or 0)
    assert len(rows) == (best["epoch"] or 0) + 2 < 60
    assert result.record["best"]["epoch"] == best["epoch"]
    assert result.scores["validation"]["loss"] == pytest.approx(best["val_loss"], rel=1e-6)
    assert "val_loss has not improved for 2 epochs" in result.record["reason"]
    assert evaluate(result.folder.path)["test"].scores == result.scores["test"]


def test_reduce_on_plateau_lowers_the_learning_rate(tmp_path: Path) -> None:
    schedule = "schedule={type: reduce_on_plateau, factor: 0.1, patience_epochs: 1, min_delta: 100}"
    rows = train(tmp_path, schedule, "training.epochs=3").folder.read_metrics()
    rates = [row["learning_rate"] for row in rows]
    assert rates == pytest.approx([3e-3, 3e-3, 3e-4], rel=1e-5)


def test_the_log_shows_the_learning_rate_of_a_cosine_schedule(tmp_path: Path) -> None:
    rows = train(tmp_path, "schedule={type: cosine, warmup_epochs: 1}", "training.epochs=4").folder.read_metrics()
    rates = [row["learning_rate"] or 0 for row in rows]
    # After the epoch's last step: risen in the first epoch, half a cosine over the other three.
    assert rates == pytest.approx([3e-3, 2.25e-3, 0.75e-3, 0], abs=1e-8)


def test_a_nan_loss_ends_the_run_with_advice(tmp_path: Path) -> None:
    text = """\
dataset: {type: synthetic, task: linear}
model: linear
optimizer: {type: sgd, learning_rate: 1e6}
loss: mean_squared_error
training: {epochs: 5, report: false}
"""
    with pytest.raises(RunError, match=r"loss became (inf|nan) in steps? .*(?s:.*)learning_rate"):
        train(tmp_path, text=text)
    (folder,) = (tmp_path / "runs").iterdir()
    assert '"status": "failed"' in (folder / "run.json").read_text()


def test_events_come_in_order_and_carry_the_rows_of_the_log(tmp_path: Path) -> None:
    events: list[Event] = []
    search = "search={space: {model.dropout: {low: 0, high: 0.5}}}"
    result = train(tmp_path, "dataset.validation=0.1", search, listener=events.append)
    (told,) = [event.text for event in events if isinstance(event, Note) and event.subject == "search"]
    assert "trains the config as it is; dlrun search" in told
    assert "search" not in result.folder.spec_yaml.read_text()
    kinds = list(dict.fromkeys(type(event) for event in events if not isinstance(event, Note)))
    assert kinds[:5] == [RunCreated, TrainingStarted, StepsDone, EpochDone, TrainingDone]
    rows = [dict(event.row) for event in events if isinstance(event, EpochDone)]
    assert rows == result.folder.read_metrics()


def test_an_interrupted_run_is_recorded_as_such(tmp_path: Path) -> None:
    from dlrun.errors import Interrupted

    def interrupt(event: Event) -> None:
        if isinstance(event, EpochDone):
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        train(tmp_path, listener=interrupt)
    (folder,) = (tmp_path / "runs").iterdir()
    assert '"status": "interrupted"' in (folder / "run.json").read_text()


def read_events(folder: Path) -> dict[tuple[str, int], float]:
    """Return the scalars in the event files of a run."""
    import tensorflow as tf

    found: dict[tuple[str, int], float] = {}
    for path in sorted(folder.rglob("*tfevents*")):
        first, *events = [
            tf.compat.v1.Event.FromString(record.numpy()) for record in tf.data.TFRecordDataset(str(path))
        ]
        assert first.file_version == "brain.Event:2"
        for event in events:
            for value in event.summary.value:
                assert value.metadata.plugin_data.plugin_name == "scalars"
                found[f"{path.parent.name}/{value.tag}", event.step] = float(tf.make_ndarray(value.tensor))
    return found


def test_tensorboard_events_hold_the_scores_of_every_epoch_as_soon_as_it_has_ended(tmp_path: Path) -> None:
    seen: dict[int, int] = {}

    def look(event: Event) -> None:
        if isinstance(event, EpochDone):
            (folder,) = (tmp_path / "runs").glob("*/tensorboard")
            seen[event.epoch] = len({step for _, step in read_events(folder)})

    result = train(tmp_path, listener=look)
    assert seen == {epoch: epoch - 1 for epoch in seen}  # those before, of a run that goes on
    assert len(seen) > 1
    found = read_events(result.folder.tensorboard)
    for row in result.folder.read_metrics():
        assert found["train/epoch_loss", row["step"]] == pytest.approx(row["loss"])  # type: ignore[index]
        assert found["validation/epoch_accuracy", row["step"]] == pytest.approx(row["val_accuracy"])  # type: ignore[index]


def test_moving_averages_are_what_every_epoch_scores_and_what_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "dlrun.training.checkpoints.saving._TIMES", 0.0
    )  # a checkpoint of every epoch, however short it is
    stopping = "training.early_stopping={patience_epochs: 2}"
    rate = "optimizer={type: adam, learning_rate: 0.05%s}"
    result = train(tmp_path, rate % ", use_ema: true, ema_momentum: 0.9", stopping)
    best = result.record["best"]
    assert result.scores["validation"]["loss"] == best["value"]
    for name, row in (("best", None), ("step-000000021", result.folder.read_metrics()[0])):
        found = evaluate(result.folder.path, split="validation", checkpoint=name)["validation"].scores
        assert found["loss"] == (best["value"] if row is None else row["val_loss"])
    # Training itself goes on from the weights that it had, to the bit.
    plain = train(tmp_path, rate % "", stopping)
    assert plain.record["weights_sha256"] == result.record["weights_sha256"]
    assert plain.scores["test"]["loss"] != result.scores["test"]["loss"]


def test_gradient_accumulation_is_reported_with_the_steps_left_over(tmp_path: Path) -> None:
    events: list[Event] = []
    steps = ("optimizer={type: sgd, gradient_accumulation_steps: 8}", "training.steps=20", "training.epochs=null")
    train(tmp_path, *steps, listener=events.append)
    (told,) = [event.text for event in events if isinstance(event, Note) and event.subject == "updates"]
    assert told == "2, each with the mean gradient of 8 steps; the last 4 of 20 steps are too few for another update"


def test_a_metric_under_another_name_keeps_its_direction(tmp_path: Path) -> None:
    metrics = "metrics=[{type: accuracy, name: error}]"
    result = train(tmp_path, metrics, "training.monitor=val_error", "training.epochs=6")
    rows = result.folder.read_metrics()
    assert result.record["best"]["value"] == max(row["val_error"] or 0 for row in rows)


def test_an_interrupted_run_keeps_what_it_had_reached(tmp_path: Path) -> None:
    from dlrun.errors import Interrupted
    from dlrun.runs.folder import RunFolder

    def interrupt(event: Event) -> None:
        if isinstance(event, EpochDone):
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        train(tmp_path, listener=interrupt)
    (path,) = (tmp_path / "runs").iterdir()
    record = RunFolder.open(path).read_record()
    assert record.best is not None
    assert record.best.epoch == 1
    assert record.seconds


@pytest.mark.parametrize("feed", ["device", "host"])
def test_a_step_is_traced_once_for_every_epoch_call_and_batch_size(
    tmp_path: Path, feed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    traced: list[str] = []

    def watch(name: str) -> None:
        step = getattr(keras.Model, name)

        def watched(model: Any, data: Any) -> Any:
            traced.append(name)
            return step(model, data)

        monkeypatch.setattr(keras.Model, name, watched)

    watch("train_step")
    watch("test_step")
    # 20 batches of 64 and one of 13; validation and test: one smaller than a batch each, with a graph of its own.
    result = train(tmp_path, f"training.feed={feed}")
    assert [row["step"] for row in result.folder.read_metrics()] == [21, 42]
    assert traced == ["train_step", "test_step", "test_step"]


def test_garbage_collection_skips_the_objects_from_importing_tensorflow() -> None:
    import dlrun.training.setup  # noqa: F401

    assert gc.get_freeze_count() > 100_000
