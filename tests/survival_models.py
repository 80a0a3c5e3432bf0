"""Models that differ in what a checkpoint of theirs has to hold, each small enough to be trained many times."""

import random
from pathlib import Path

from shapes import write_shapes
from sounds import write_tones

DIGITS = "dataset: {type: builtin, name: digits, validation: 0.2}\n"
CLASSES = "loss: sparse_categorical_crossentropy\nmetrics: [accuracy]\n"
MODELS = {
    "mlp": f"""{DIGITS}{CLASSES}
model: {{type: mlp, units: [24, 16], dropout: 0.3, batch_normalization: true}}
optimizer: {{type: adam, learning_rate: 0.05}}
schedule: {{type: reduce_on_plateau, patience_epochs: 1, factor: 0.3}}
training: {{batch_size: 16, epochs: 6, early_stopping: {{patience_epochs: 2, restore_best: true}}}}
""",
    "cnn": f"""{DIGITS}{CLASSES}
model:
  type: sequential
  layers:
    - RandomFlip: {{mode: horizontal}}
    - RandomTranslation: {{height_factor: 0.1, width_factor: 0.1}}
    - RandomRotation: {{factor: 0.05}}
    - Conv2D: {{filters: 8, kernel_size: 3, activation: relu}}
    - MaxPooling2D: {{pool_size: 2}}
    - Flatten
    - Dropout: {{rate: 0.2}}
    - Dense: {{units: 10, activation: softmax}}
optimizer: {{type: adam, use_ema: true, ema_momentum: 0.9}}
schedule: {{type: cosine, warmup_epochs: 0.5}}
training: {{batch_size: 32, epochs: 3}}
""",
    "lstm": f"""{DIGITS}{CLASSES}
model: {{type: lstm, units: [12], dropout: 0.2}}
optimizer: {{type: rmsprop, learning_rate: 3e-3, clipnorm: 1.0}}
schedule: {{type: one_cycle}}
training: {{batch_size: 32, epochs: 3}}
""",
    # What learns, how fast, and the state of the optimizer change in the middle of the run.
    "phases": f"""{DIGITS}{CLASSES}
model: {{type: mlp, units: [12], dropout: 0.2, batch_normalization: true}}
optimizer: {{type: adamw, learning_rate: 0.02, weight_decay: 0.01}}
schedule: cosine
training: {{batch_size: 32, epochs: 3, phases: [{{epochs: 1, trainable: none}},
  {{trainable: all, learning_rate: 0.01, backbone_learning_rate: 0.002}}]}}
""",
    # In parts, one for each core, with fused kernels; gathered ahead of the steps.
    "shared": f"""{DIGITS}{CLASSES}
model: {{type: cnn, blocks: [{{filters: 8, pool_size: 2, dropout: 0.1}}], head_units: [16]}}
optimizer: {{type: adamw, weight_decay: 0.01}}
training: {{batch_size: 32, epochs: 3, cpu_shares: 2, feed: host}}
""",
    # Members with losses of their own, random scales and vectors of numbers.
    "tabm": """dataset: {type: builtin, name: breast_cancer, validation: 0.2}
model: {type: tabm, units: [12], members: 5, dropout: 0.2, numeric_embedding: periodic, linear_blend: true}
loss: binary_crossentropy
metrics: [accuracy, auc]
optimizer: {type: adamw, use_ema: true, gradient_accumulation_steps: 2}
training: {batch_size: 16, epochs: 4, class_weight: balanced}
""",
    "realmlp": """dataset: {type: builtin, name: diabetes, validation: 0.2}
model: {type: realmlp, units: [16, 16]}
loss: mean_squared_error
optimizer: {type: adamw, learning_rate: 0.05, beta_2: 0.95, weight_decay: 0.02, weight_decay_schedule: flat_cos}
schedule: coslog
training: {batch_size: 16, epochs: 6, early_stopping: {patience_epochs: 6}}
""",
    # A transformed target, several outputs for it, and intervals that are measured at the end.
    "quantile": """dataset: {type: builtin, name: diabetes, validation: 0.2, test: 0.2, target_transform: quantile}
model: {type: mlp, units: [16], dropout: 0.2}
loss: quantile
metrics: [mean_absolute_error, r2_score]
training: {batch_size: 16, epochs: 6, early_stopping: {patience_epochs: 3, restore_best: true}}
""",
    # The best linear model is computed before the first step, and the steps go on from it.
    "least_squares": """dataset: {type: builtin, name: diabetes, validation: 0.2}
model: {type: linear, solver: least_squares, l2: 0.01}
loss: mean_squared_error
optimizer: {type: adam, learning_rate: 0.01}
training: {batch_size: 16, epochs: 4}
""",
    # Weights of rows, in the loss with those of the classes, in every score and in the choice of the best epoch.
    "weighted": """dataset: {type: table, path: WEIGHTED, target: y, weight: w, group: g, test: 0.2, validation: 0.2}
model: {type: mlp, units: [16], dropout: 0.2}
loss: binary_crossentropy
metrics: [accuracy, auc]
optimizer: {type: adam, learning_rate: 0.01}
training: {batch_size: 16, epochs: 5, class_weight: balanced, early_stopping: {patience_epochs: 3, restore_best: true}}
""",
    "weighted_intervals": """dataset: {type: table, path: WEIGHTED, target: a, weight: w, validation: 0.3, test: 0.2}
model: {type: linear, solver: least_squares}
loss: mean_squared_error
training: {batch_size: 16, epochs: 3}
""",
    # Waveforms and spectrograms that are changed anew in each epoch.
    "audio": """dataset:
  {type: audio, path: TONES, seconds: 0.1, mel_bins: 16, validation: 0.2, augmentation: {time_shift: 0.02, speed: 0.1,
   gain: 3, noise: 10, time_masks: 2, frequency_masks: 2, mixup: 0.3}}
model: {type: gru, units: [8], dropout: 0.1}
loss: categorical_crossentropy
metrics: [accuracy]
optimizer: {type: adam, learning_rate: 0.01}
training: {batch_size: 8, epochs: 4}
""",
    # Random blocks that are skipped, statistics of batches, pictures and soft targets that are mixed at random.
    "resnet": """dataset: {type: builtin, name: digits, validation: 0.2, augmentation: {cutmix: 1.0, mixup: 0.2}}
model: {type: resnet, depth: 20, filters: 2, stochastic_depth: 0.3}
loss: {type: categorical_crossentropy, label_smoothing: 0.1}
metrics: [accuracy]
optimizer: {type: sgd, learning_rate: 0.05, momentum: 0.9}
training: {batch_size: 64, epochs: 3}
""",
    # Masks that are flipped and rotated with their images, and a loss over all pixels of a batch.
    "unet": """dataset: {type: images, path: SHAPES/images, masks: SHAPES/masks, validation: 0.25,
  augmentation: {flip: both,
  rotation: 20,
  brightness: 0.1}}
model: {type: unet, filters: [3, 4], dropout: 0.1}
loss: dice_crossentropy
metrics: [accuracy, mean_io_u]
optimizer: {type: adam, learning_rate: 0.01, use_ema: true, gradient_accumulation_steps: 2}
training: {batch_size: 5, epochs: 3, early_stopping: {patience_epochs: 3, restore_best: true}}
""",
    "transformer": f"""{DIGITS}{CLASSES}
model: {{type: transformer, width: 8, heads: 2, layers: 1, patch_size: 4, dropout: 0.1, stochastic_depth: 0.2}}
optimizer: {{type: adamw, weight_decay: 0.01}}
training: {{batch_size: 32, epochs: 3}}
""",
    "tcn": """dataset: {type: synthetic, task: sequence, examples: 400, validation: 0.2}
model: {type: tcn, filters: [4, 4], dropout: 0.2, stochastic_depth: 0.3, linear_shortcut: true}
loss: mean_squared_error
optimizer: {type: adam, learning_rate: 0.01}
training: {batch_size: 16, epochs: 3}
""",
    "graph": f"""{DIGITS}{CLASSES}
model:
  type: graph
  layers:
    - Conv2D: {{name: stem, filters: 4, kernel_size: 3, padding: same, activation: relu}}
    - Dropout: {{name: drop, rate: 0.2}}
    - Add: {{inputs: [stem, drop]}}
    - Flatten
    - Dense: {{units: 10}}
training: {{batch_size: 32, epochs: 3}}
""",
    "autoencoder": f"""{DIGITS}
model: {{type: autoencoder, units: [32], latent_units: 8, tied: true, input_noise: 0.2, output_activation: sigmoid}}
loss: mean_squared_error
optimizer: {{type: sgd, learning_rate: 0.5, momentum: 0.9, gradient_accumulation_steps: 3}}
training: {{batch_size: 16, epochs: 4}}
""",
}
OFTEN = tuple(
    part
    for setting in ("checkpoint_minutes=0.0001", "tensorboard=false", "report=false")
    for part in ("--set", f"training.{setting}")
)


def config_of(model: str, folder: Path) -> str:
    """Return the config of a model; the data that it may read is written to a folder, once."""
    table, text = folder / "weighted.csv", MODELS[model]
    if "WEIGHTED" in text and not table.exists():
        _write_weighted(table)
    if "TONES" in text and not (folder / "tones").exists():
        write_tones(folder / "tones", count=30)
    if "SHAPES" in text and not (folder / "shapes").exists():
        write_shapes(folder / "shapes", count=40)
    text = text.replace("SHAPES", str(folder / "shapes"))
    return text.replace("WEIGHTED", str(table)).replace("TONES", str(folder / "tones"))


def _write_weighted(path: Path) -> None:
    """Write a table with two classes, weights of rows, and groups."""
    draws = random.Random(0)
    lines = []
    for number in range(300):
        a, b, noise, weight = (draws.gauss(0, 1) for _ in range(4))
        lines.append(f"{a:.3f},{b:.3f},{'no' if a + noise > 0 else 'yes'},{abs(weight):.3f},{number // 5}")
    path.write_text("\n".join(["a,b,y,w,g", *lines]) + "\n")
