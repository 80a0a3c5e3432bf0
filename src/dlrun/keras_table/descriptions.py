"""Descriptions of arguments that Keras does not document, or that dlrun treats differently."""

DESCRIPTIONS: dict[str, str] = {
    "data_format": "Position of the channel axis: `channels_last` (as in datasets; also null) or `channels_first`.",
    "seed": "Seed of its random numbers; null: derived from the seed of the run.",
    "value_range": "Lowest and highest possible value of the images.",
    "antialias": "Whether to smooth an image before reducing its size.",
    "input_axes": "Axes of the weights that count as inputs; null: all but the last.",
    "output_axes": "Axes of the weights that count as outputs; null: the last.",
    "InputLayer": "The input of the model. The data determines its shape, so this is only a check.",
    "Attention": "Dot-product attention. Its inputs are query, value, and key if it is not the value.",
    "AdditiveAttention": "Additive attention (Bahdanau). Its inputs are query, value, and key if it is not the value.",
    "MultiHeadAttention": "Attention with several heads. Its inputs are query, value, and key if it is not the value.",
    "Average": "Averages a list of inputs element-wise.",
    "Dot.axes": "Axis along which to multiply, or one for each of the two inputs. Axis 0 is the batch.",
    "Concatenate.axis": "Axis along which to concatenate. Axis 0 is the batch, -1 the last one.",
    "InputLayer.shape": "Shape of one example, with null for any length; null: the shape of the data.",
    "ignore_class": "Index of a class to ignore.",
    "Masking.mask_value": "Skip steps in which every feature has this value.",
    "Constant.value": "Value of every weight.",
    "thresholds": "A predicted probability above it counts as the class; null: 0.5.",
    "AUC.thresholds": "Increasing probabilities at which the curve is computed, instead of `num_thresholds`.",
    "AUC.multi_label": "For more than two classes, or several labels. false: one curve over all pairs of example and "
    "class; true: the mean over one curve per class.",
    "AUC.label_weights": "With `multi_label`: weight of each class in the mean.",
    "BinaryIoU.threshold": "A predicted probability of at least this counts as class 1.",
    "top_k": "Count the k most probable classes as predicted instead of those above the threshold.",
    "class_id": "Class or label to compute the score for; null: the second of two classes, or all classes together "
    "(micro average).",
    "average": "Average over classes: `micro`, `macro` or `weighted`; null: the score of the second of two classes, "
    "`macro` for more classes, `micro` for several labels.",
    "F1Score.threshold": "A predicted probability above it counts as the class; null: the most probable class.",
    "FBetaScore.threshold": "A predicted probability above it counts as the class; null: the most probable class.",
    "PiecewiseConstantDecay.boundaries": "Increasing steps after which the next value applies.",
    "PiecewiseConstantDecay.values": "Learning rate after each boundary; the optimizer's applies before the first.",
    "ExponentialDecay.decay_steps": "Steps over which the learning rate is multiplied by `decay_rate` once.",
}
"""Descriptions by `Class.argument`, which takes precedence, or by `argument`; by `Class` for a class itself."""
