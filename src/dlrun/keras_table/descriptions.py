"""What arguments mean where Keras' docstring leaves it out, or where dlrun does it in another way."""

DESCRIPTIONS: dict[str, str] = {
    "data_format": "Where the channels are: `channels_last` (as datasets give them; null) or `channels_first`.",
    "seed": "Seed of its own random numbers; null: drawn from the run's seed.",
    "value_range": "Lowest and highest value that the images may hold.",
    "antialias": "Whether to smooth before making an image smaller.",
    "input_axes": "Axes of the weights that count as inputs; null: all but the last.",
    "output_axes": "Axes of the weights that count as outputs; null: the last.",
    "InputLayer": "What the model is given; the data decides it, so this is a check.",
    "InputLayer.shape": "Shape of one example, null for a length that does not matter; null: as the data has it.",
    "ignore_class": "Index of a class that does not count.",
    "Masking.mask_value": "Steps in which every feature has this value are skipped.",
    "Constant.value": "The value of every weight.",
    "thresholds": "A predicted probability above it counts as the class; null: 0.5.",
    "AUC.thresholds": "The probabilities, increasing, at which the curve is computed, in place of `num_thresholds`.",
    "AUC.multi_label": "More than two classes, or several labels: false: one curve over all (example, class) pairs; "
    "true: the mean of one curve a class.",
    "AUC.label_weights": "With `multi_label`: the weight of each class in the mean.",
    "BinaryIoU.threshold": "A predicted probability of at least this counts as class 1.",
    "top_k": "Count the k most probable classes as predicted, instead of those above the threshold.",
    "class_id": "Count this class, or label, only; null: with two classes the second, with more all of them (micro "
    "average).",
    "average": "How the classes are averaged: `micro`, `macro`, `weighted`; null: with two classes the score of the "
    "second one, with more `macro`, with several labels `micro`.",
    "F1Score.threshold": "A predicted probability above it counts as the class; null: the most probable class.",
    "FBetaScore.threshold": "A predicted probability above it counts as the class; null: the most probable class.",
    "PiecewiseConstantDecay.boundaries": "Steps, increasing, after which the next value holds.",
    "PiecewiseConstantDecay.values": "Learning rate after each boundary; before the first one it is the optimizer's.",
    "ExponentialDecay.decay_steps": "Steps in which the learning rate is multiplied by `decay_rate` once.",
}
"""By `argument`, or by `Class.argument`, which goes before; by `Class` for what a class is."""
