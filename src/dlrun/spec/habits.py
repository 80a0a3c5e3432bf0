"""Names from other tools and their names in dlrun. They are used only for hints, not accepted as aliases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache

from dlrun.names import fold_name

KEYS: Mapping[str, str] = {
    "defaults": "base",
    "_base_": "base",
    "extends": "base",
    "include": "base",
    "includes": "base",
    "inherits": "base",
    "vars": "variables",
    "params": "variables",
    "parameters": "variables",
    "lr": "learning_rate",
    "eta": "learning_rate",
    "bs": "batch_size",
    "batch": "batch_size",
    "per_device_train_batch_size": "batch_size",
    "data": "dataset",
    "network": "model",
    "architecture": "model",
    "optim": "optimizer",
    "criterion": "loss",
    "loss_function": "loss",
    "scheduler": "schedule",
    "lr_scheduler": "schedule",
    "num_epochs": "epochs",
    "n_epochs": "epochs",
    "max_epochs": "epochs",
    "num_train_epochs": "epochs",
    "max_iter": "epochs",
    "max_steps": "steps",
    "validation_split": "validation",
    "val_split": "validation",
    "test_split": "test",
    "test_size": "test",
    "hidden_units": "units",
    "hidden_layers": "units",
    "hidden_layer_sizes": "units",
    "hidden_size": "units",
    "layers": "units",
    "kernels": "filters",
    "random_state": "seed",
    "random_seed": "seed",
    "file": "path",
    "filename": "path",
    "csv": "path",
    "label": "target",
    "labels": "target",
    "label_column": "target",
    "y": "target",
    "patience": "early_stopping",
    "mixed_precision": "precision",
    "gpus": "device",
    "min": "low",
    "max": "high",
    "lower": "low",
    "upper": "high",
    "values": "choices",
    "options": "choices",
    "log_scale": "log",
    "n_trials": "trials",
    "num_trials": "trials",
    "max_trials": "trials",
    "num_samples": "trials",
    "objective": "metric",
    "pruner": "halving",
    "search_space": "space",
}
"""Keys of dlrun by their name in other tools."""

_CLASSES = "sparse_categorical_crossentropy"
_NAMES: Mapping[str, Mapping[str, str]] = {
    "metric": {
        "acc": "accuracy",
        "f1": "f1_score",
        "f1_macro": "f1_score",
        "fbeta": "f_beta_score",
        "rmse": "root_mean_squared_error",
        "r2": "r2_score",
        "roc_auc": "auc",
        "auroc": "auc",
        "top5": "sparse_top_k_categorical_accuracy",
        "iou": "io_u",
        "miou": "mean_io_u",
        "log_loss": _CLASSES,
        "cross_entropy": _CLASSES,
        "pearson": "pearson_correlation",
        "mape": "mean_absolute_percentage_error",
    },
    "loss": {
        "cross_entropy": _CLASSES,
        "cross_entropy_loss": _CLASSES,
        "ce": _CLASSES,
        "nll": _CLASSES,
        "nll_loss": _CLASSES,
        "log_loss": _CLASSES,
        "softmax": _CLASSES,
        "logistic": "binary_crossentropy",
        "bce_loss": "binary_crossentropy",
        "bce_with_logits_loss": "binary_crossentropy",
        "focal": "binary_focal_crossentropy",
        "mse_loss": "mean_squared_error",
        "squared_error": "mean_squared_error",
        "l2": "mean_squared_error",
        "l1": "mean_absolute_error",
        "l1_loss": "mean_absolute_error",
        "absolute_error": "mean_absolute_error",
        "smooth_l1": "huber",
        "smooth_l1_loss": "huber",
        "huber_loss": "huber",
        "kl_div": "kl_divergence",
        "kl_div_loss": "kl_divergence",
    },
    "optimizer": {"momentum": "sgd", "nesterov": "sgd", "rms_prop": "rmsprop"},
    "dataset": {
        "csv": "table",
        "tsv": "table",
        "parquet": "table",
        "tabular": "table",
        "dataframe": "table",
        "image_folder": "images",
        "audio_folder": "audio",
        "audiofolder": "audio",
        "sound": "audio",
        "speech": "audio",
        "folder": "images",
        "numpy": "arrays",
        "npz": "arrays",
        "txt": "text",
        "time_series": "series",
        "timeseries": "series",
        "tensorflow_datasets": "tfds",
        "mnist": "tfds",
        "digits": "builtin",
        "iris": "builtin",
    },
    "model": {
        "neural_network": "mlp",
        "nn": "mlp",
        "dense": "mlp",
        "dnn": "mlp",
        "feed_forward": "mlp",
        "perceptron": "mlp",
        "logistic_regression": "linear",
        "linear_regression": "linear",
        "convnet": "cnn",
        "conv": "cnn",
        "resnet": "cnn",
        "vgg": "cnn",
    },
    "schedule": {"plateau": "reduce_on_plateau", "reduce_lr_on_plateau": "reduce_on_plateau", "step_lr": "step"},
}


def known_as(kind: str, name: str, names: tuple[str, ...]) -> str | None:
    """Return the component of dlrun for its name in another tool, or None.

    Args:
        kind: Kind of the component, such as `metric`.
        name: Name in any spelling, such as `MSELoss` or `mse_loss`.
        names: Names of the existing components.
    """
    meant = _folded_names(kind).get(fold_name(name))
    return meant if meant in names else None


def elsewhere(key: str) -> list[str]:
    """Return the dotted keys that a key without a section, or in the wrong one, may mean: `training.epochs`."""
    wanted = fold_name(KEYS.get(key, key))
    found = [path for path in _dotted_keys() if fold_name(path.rpartition(".")[2]) == wanted]
    return found[:3]


@cache
def _folded_names(kind: str) -> dict[str, str]:
    from dlrun.keras_table import short_names

    found = dict(short_names(kind)) if kind in ("metric", "loss") else {}
    return {fold_name(name): meant for name, meant in (found | dict(_NAMES.get(kind, {}))).items()}


@cache
def _dotted_keys() -> tuple[str, ...]:
    return tuple(dict.fromkeys(_keys_of_sections()))


def _keys_of_sections() -> Iterator[str]:
    from dlrun.data import datasets
    from dlrun.models import models
    from dlrun.optimizers import optimizers
    from dlrun.spec.decision import DecisionRule
    from dlrun.spec.search.section import SearchKeys
    from dlrun.spec.types import Spec, Training

    yield from (field.name for field in fields(Spec))
    yield from (f"training.{key}" for key in Training.model_fields)
    yield from (f"decision.{key}" for key in DecisionRule.model_fields)
    yield from (f"search.{key}" for key in SearchKeys.model_fields if key != "seed")
    adam = optimizers.find("adam")
    yield from (f"optimizer.{key}" for key in (adam.model_fields if adam else ()))
    for section, registry in (("dataset", datasets), ("model", models)):
        for name in registry.names():
            component = registry.find(name)
            yield from (f"{section}.{key}" for key in (component.model_fields if component else ()))
