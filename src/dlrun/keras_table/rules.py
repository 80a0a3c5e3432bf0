"""Types, choices and bounds of arguments that the signatures of Keras do not state, by name.

A rule for `Class.argument` takes precedence over one for `argument`. If a rule has no types, they follow from the
default; a default of None adds `null`. The table omits:

- abstract classes and containers of other objects, since a spec only selects components by name;
- layers that contain code, have several inputs of other kinds, process strings, need a call of `adapt`, or need SciPy;
- arguments that dlrun sets itself, that need a fixed batch size, that cause several or sparse outputs, whose values
  do not fit in YAML, or that serve to fine-tune or quantize a trained model.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """Allowed values of an argument; see `Argument` for the fields."""

    types: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    length: int | None = None
    per_axis: bool = False
    """Whether lists have one item for each axis of the class, for example two for `Conv2D`."""


_ABSTRACT = """
    Optimizer LossScaleOptimizer MultiOptimizer OptimizerMap LearningRateSchedule Loss LossFunctionWrapper Metric Mean
    Sum MeanMetricWrapper Layer InputSpec Initializer Regularizer Constraint
"""
_CARRIES_CODE = "Lambda Wrapper TFSMLayer TorchModuleWrapper JaxLayer FlaxLayer Pipeline"
_CELLS = "RNN GRUCell LSTMCell SimpleRNNCell StackedRNNCells"
_MERGES = """
    Add Average Concatenate Dot Maximum Minimum Multiply Subtract Attention AdditiveAttention MultiHeadAttention
"""
MERGES = frozenset(_MERGES.split())
"""Layers with several inputs that a graph can have. They are a group of their own."""

_SEVERAL_INPUTS = "GroupedQueryAttention HashedCrossing MixUp CutMix MaxNumBoundingBoxes ReversibleEmbedding"
_STRINGS_OR_ADAPTED = "StringLookup IntegerLookup TextVectorization Hashing Discretization Normalization"
_NEEDS_SCIPY = "STFTSpectrogram STFT"

LEFT_OUT_CLASSES = frozenset(
    f"{_ABSTRACT} {_CARRIES_CODE} {_CELLS} {_SEVERAL_INPUTS} {_STRINGS_OR_ADAPTED} {_NEEDS_SCIPY}".split()
)

_SET_BY_DLRUN = """
    name dtype from_logits reduction initial_learning_rate loss_scale_factor num_classes num_labels from_sorted_ids
    sparse_y_true sparse_y_pred losses.axis metrics.axis num_regressors
"""
_NEEDS_MORE_THAN_A_BATCH = (
    "stateful return_state sparse weights renorm_clipping batch_size batch_shape ragged input_tensor optional"
)
_OF_ATTENTION = "attention_axes sliding_window flash_attention use_gate MultiHeadAttention.output_shape"
_OF_A_TRAINED_MODEL = "lora_rank lora_alpha gptq_unpacked_column_size quantization_config"

LEFT_OUT_ARGUMENTS = frozenset(
    f"{_SET_BY_DLRUN} {_NEEDS_MORE_THAN_A_BATCH} {_OF_ATTENTION} {_OF_A_TRAINED_MODEL}".split()
)

_COUNT = Rule(("int",), ge=1)
_SIZE = Rule(("int", "ints"), ge=1, per_axis=True)
_FRACTION = Rule(("number",), ge=0, le=1)
_DECAY = Rule(("number",), ge=0, lt=1)
_POSITIVE = Rule(("number",), gt=0)
_NOT_NEGATIVE = Rule(("number",), ge=0)
_NUMBER = Rule(("number",))
_FACTOR = Rule(("number", "numbers"), length=2)
_PAIR = Rule(("numbers",), length=2)
_AXES = Rule(("int", "ints"))
_CLASS_INDEX = Rule(("int",), ge=0)
_MARGINS = Rule(("int", "ints", "pairs"), ge=0, per_axis=True)


def _one_of(*choices: str) -> Rule:
    return Rule(("choice",), choices=choices)


_GIVEN: dict[str, Rule] = {
    # optimizers
    "learning_rate": _POSITIVE,
    "clipnorm clipvalue global_clipnorm epsilon epsilon_1 epsilon_2 clip_threshold adam_lr_ratio rms_rate": _POSITIVE,
    "weight_decay adam_weight_decay initial_accumulator_value beta": _NOT_NEGATIVE,
    "l1_regularization_strength l2_regularization_strength l2_shrinkage_regularization_strength": _NOT_NEGATIVE,
    "beta_1 beta_2 adam_beta_1 adam_beta_2 rho momentum": _DECAY,
    "Muon.rms_rate": Rule(("number", "null"), gt=0),
    "ScheduleFreeAdamW.beta_1": Rule(("number",), gt=0, lt=1),
    "Lion.beta_1": Rule(("number",), gt=0, le=1),
    "ema_momentum renorm_momentum": _FRACTION,
    "ema_overwrite_frequency ns_steps": _COUNT,
    "gradient_accumulation_steps": Rule(("int",), ge=2),
    "learning_rate_power beta_2_decay": Rule(("number",), le=0),
    "exclude_layers": Rule(("texts",)),
    # schedules
    "decay_steps first_decay_steps": _COUNT,
    "warmup_steps": Rule(("int",), ge=0),
    "decay_rate t_mul m_mul power warmup_target": _POSITIVE,
    "CosineDecay.alpha CosineDecayRestarts.alpha end_learning_rate": _NOT_NEGATIVE,
    "boundaries": Rule(("ints",), ge=1),
    "values": Rule(("numbers",), gt=0),
    # losses and metrics
    "label_smoothing": _FRACTION,
    "CategoricalFocalCrossentropy.alpha": Rule(("number", "numbers"), ge=0, le=1),
    "BinaryFocalCrossentropy.alpha": _FRACTION,
    "Tversky.alpha Tversky.beta gamma": _NOT_NEGATIVE,
    "FBetaScore.beta delta": _POSITIVE,
    "q": Rule(("number",), gt=0, lt=1),
    "ignore_class class_id": _CLASS_INDEX,
    "target_class_ids": Rule(("ints",), ge=0),
    "k top_k": _COUNT,
    "num_thresholds": Rule(("int",), ge=2),
    "precision recall sensitivity specificity thresholds BinaryAccuracy.threshold BinaryIoU.threshold": _FRACTION,
    "AUC.thresholds": Rule(("numbers",), ge=0, le=1),
    "F1Score.threshold FBetaScore.threshold": Rule(("number",), gt=0, le=1),
    "label_weights": Rule(("numbers",), ge=0),
    "average": _one_of("micro", "macro", "weighted"),
    "curve": _one_of("ROC", "PR", "PRGAIN"),
    "summation_method": _one_of("interpolation", "minoring", "majoring"),
    "class_aggregation": _one_of("uniform_average", "variance_weighted_average"),
    # initializers, regularizers, constraints
    "seed": Rule(("int",), ge=0),
    "VarianceScaling.mode": _one_of("fan_in", "fan_out", "fan_avg"),
    "VarianceScaling.scale": _POSITIVE,
    "distribution": _one_of("truncated_normal", "untruncated_normal", "uniform"),
    "input_axes output_axes": Rule(("ints",)),
    "stddev l1 l2 OrthogonalRegularizer.factor": _NOT_NEGATIVE,
    "OrthogonalRegularizer.mode": _one_of("rows", "columns"),
    "min_value max_value": _NOT_NEGATIVE,
    "MinMaxNorm.rate": _FRACTION,
    "MaxNorm.axis MinMaxNorm.axis UnitNorm.axis": _AXES,
    # layers
    "units filters groups depth_multiplier n bins input_dim output_dim num_tokens power_iterations": _COUNT,
    "height width num_ops num_chains chain_depth num_mel_bins sampling_rate": _COUNT,
    "fft_length sequence_length sequence_stride": _COUNT,
    "kernel_size pool_size strides dilation_rate size output_size": _SIZE,
    "RandomGaussianBlur.kernel_size tile_grid_size": Rule(("int", "ints"), ge=1, length=2),
    "output_padding": Rule(("int", "ints"), ge=0, per_axis=True),
    "padding": _one_of("valid", "same"),
    "Conv1D.padding": _one_of("valid", "same", "causal"),
    "ZeroPadding1D.padding Cropping1D.cropping": Rule(("int", "ints"), ge=0, length=2),
    "ZeroPadding2D.padding ZeroPadding3D.padding cropping": _MARGINS,
    "data_format": _one_of("channels_last", "channels_first"),
    "activation recurrent_activation": Rule(("activation",)),
    "layer backward_layer": Rule(("layer",)),
    "num_heads key_dim value_dim": _COUNT,
    "score_mode": _one_of("dot", "concat"),
    "Dot.axes": Rule(("int", "ints"), length=2),
    "merge_mode": _one_of("sum", "mul", "concat", "ave"),
    "rate dropout recurrent_dropout": _DECAY,
    "InputLayer.shape": Rule(("shape",)),
    "noise_shape": Rule(("shape",)),
    "target_shape dims shared_axes": Rule(("ints",)),
    "LayerNormalization.axis UnitNormalization.axis Softmax.axis": _AXES,
    "equation bias_axes": Rule(("text",)),
    "output_shape": Rule(("int", "shape")),
    "use_cudnn": Rule(("bool", "choice"), choices=("auto",)),
    "ReLU.max_value": _NOT_NEGATIVE,
    "Rescaling.scale Rescaling.offset": Rule(("number", "numbers")),
    "CategoryEncoding.output_mode": _one_of("one_hot", "multi_hot", "count"),
    "window": _one_of("hann", "hamming"),
    "max_freq": _POSITIVE,
    "fill_mode": _one_of("constant", "reflect", "wrap", "nearest"),
    "Resizing.fill_mode": _one_of("constant"),
    "interpolation": _one_of("nearest", "bilinear"),
    "Resizing.interpolation": _one_of("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"),
    "UpSampling2D.interpolation": _one_of("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"),
    "RandomFlip.mode": _one_of("horizontal", "vertical", "horizontal_and_vertical"),
    "RandomPosterization.factor": Rule(("int", "ints"), length=2),
    "RandomGrayscale.factor RandomInvert.factor": Rule(("number",), ge=0, le=1),
    "factor height_factor width_factor x_factor y_factor sigma addition_factor threshold_factor": _FACTOR,
    "brightness_factor contrast_factor saturation_factor hue_factor": _FACTOR,
    "RandomErasing.scale": _FACTOR,
    "RandomErasing.fill_value": _NUMBER,
    "value_range": _PAIR,
}

RULES: dict[str, Rule] = {name: rule for names, rule in _GIVEN.items() for name in names.split()}

SUFFIX_RULES: dict[str, Rule] = {
    "_initializer": Rule(("initializer",)),
    "_regularizer": Rule(("regularizer",)),
    "_constraint": Rule(("constraint",)),
}
