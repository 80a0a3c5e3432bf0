"""Data generated from a seed by a known rule, for most tasks with a known best possible score."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from dlrun.component import FieldProblem
from dlrun.data.dataset import Dataset, HeldOut, Source, datasets
from dlrun.data.digit_scenes import CLASSES, SMALLEST_SIDE, draw_scenes
from dlrun.data.preprocess import ArrayPreprocess
from dlrun.data.splits import Split, fingerprint_of
from dlrun.signature import Description, Features, Target

DECAY = 0.9
"""The factor by which the past of a sequence decays in each step."""

_WIDTH, _SEQUENCE_WIDTH, _STEPS, _SIDE = 100, 10, 100, 48
_WEIGHTS, _EXAMPLES, _NOISE, _DIGITS, _SCENES = 0, 1, 2, 3, 4  # independent streams of random numbers
_SPLITS = ("train", "validation", "test")


@datasets.register("synthetic")
class Synthetic(Source):
    """Data generated from the seed, with a known answer.

    segmentation: gray images of handwritten digits, enlarged to several sizes, on a dark background with noise. Each
    pixel is of the class background or of that of its digit; of two digits, the one on top. The digits are those of the
    builtin dataset, divided among the splits, so that a test image has only digits that no training image has.

    Formula:
        Of the other tasks, every value of x is drawn from N(0, 1). The unit vector w and the number b are drawn from
        the seed.

        - binary: y = 1 if w·x > 0, else 0; then swapped with probability `noise`. Best accuracy: 1 - noise.
        - linear: y = w·x + b + noise e, e ~ N(0, 1). Best mse: noise^2.
        - sequence: y = sqrt(1 - a^2) sum_t a^(steps - t) w·x_t + noise e, a = 0.9, t = 1..steps: the last state of
          h_t = a h_(t-1) + w·x_t, scaled to variance 1. Best mse: noise^2; best mae: noise sqrt(2/pi). A model
          that uses only the last step reaches mse a^2 + noise^2 = 0.81 + noise^2; a better one needs a memory of about
          10 steps.
    """

    task: Literal["binary", "linear", "sequence", "segmentation"] = Field(
        description="binary: vectors in two classes, separated by a plane; best accuracy 1 - noise · linear: vectors "
        "with the target w·x + b + noise; best mse noise^2 · sequence: (steps, features) with a target in which each "
        "step counts 0.9 times as much as the next; best mse noise^2, or 0.81 + noise^2 without memory · segmentation: "
        "images of digits on noise, with a mask of 11 classes."
    )
    examples: int = Field(default=10_000, ge=2, description="Number of examples, including held-out ones.")
    width: int | None = Field(
        default=None,
        ge=1,
        description=f"Number of values in a vector or step, or height and width of an image. null: {_WIDTH} in a "
        f"vector, {_SEQUENCE_WIDTH} in a step, {_SIDE} pixels of an image.",
    )
    steps: int | None = Field(
        default=None, ge=1, description=f"Number of steps in a sequence; only for task: sequence. null: {_STEPS}."
    )
    noise: float = Field(
        default=0.1,
        ge=0,
        allow_inf_nan=False,
        description="binary: probability that a label is swapped, below 0.5 · otherwise: standard deviation of the "
        "noise, relative to a target with standard deviation 1, or of pixels, relative to black and white.",
    )
    test: HeldOut = Field(
        default=0.2, description="Examples to hold out as test split: a fraction, or a number. 0: none."
    )

    def problems(self) -> Iterator[FieldProblem]:
        """Yield the keys that do not fit the task."""
        if self.steps is not None and self.task != "sequence":
            yield FieldProblem(("steps",), f"task {self.task} has no steps", "null", "remove it, or task: sequence")
        if self.task == "binary" and self.noise >= 0.5:
            yield FieldProblem(("noise",), f"labels are swapped with probability {self.noise}", "a number below 0.5")
        if self.task == "segmentation" and self.width is not None and self.width < SMALLEST_SIDE:
            what = f"an image of {self.width} x {self.width} pixels has no room for digits"
            yield FieldProblem(("width",), what, f"at least {SMALLEST_SIDE}")
        yield from self.test_problems(self.examples)

    def describe(self) -> Description:
        """Return the description, which follows from the keys."""
        return Description(self._features(), self._target(), self.sizes({"train": self.examples}))

    def load(self) -> Dataset:
        """Generate the examples and hold out those for test and validation.

        Raises:
            DataError: No examples would be left for training.
        """
        if self.task == "segmentation":
            return self._load_scenes()
        features = self._stream(_EXAMPLES).standard_normal((self.examples, *self._features().shape), dtype=np.float32)
        whole = Split(features, self._answer(features))
        splits, notes = self.hold_out({"train": whole}, by_class=self.task == "binary")
        return Dataset(
            f"synthetic_{self.task}",
            self._features(),
            self._target(),
            ArrayPreprocess(self._features().shape),
            splits,
            fingerprint_of(splits),
            (f"synthetic: the best possible score is {self.best_score()}", *notes),
        )

    def _load_scenes(self) -> Dataset:
        """Draw the images of each split, after their numbers have been held out."""
        numbered, notes = self.hold_out({"train": Split(np.arange(self.examples), None)})
        splits: dict[str, Split] = {}
        for name, numbers in numbered.items():
            # With `validation: test`, one split has two names.
            drawn = next((splits[other] for other in splits if numbered[other] is numbers), None)
            splits[name] = drawn or self._scenes(len(numbers), name)
        shape = self._features().shape
        preprocess, fingerprint = ArrayPreprocess(shape, scale=1 / 255), fingerprint_of(splits)
        name, target = f"synthetic_{self.task}", self._target()
        return Dataset(name, self._features(), target, preprocess, splits, fingerprint, notes)

    def _scenes(self, count: int, split: str) -> Split:
        streams = {"digits": self._stream(_DIGITS), "scenes": self._stream(_SCENES + _SPLITS.index(split))}
        return Split(*draw_scenes(count, side=self.width or _SIDE, noise=self.noise, split=split, streams=streams))

    def best_score(self) -> str:
        """Return the best possible score in words."""
        if self.task == "binary":
            return f"accuracy {1 - self.noise:.4g}"
        return f"mse {self.noise**2:.4g}, mae {self.noise * math.sqrt(2 / math.pi):.4g}"

    def weights(self) -> tuple[npt.NDArray[np.float32], float]:
        """Return w and b of the formula. Except for task: linear, b is 0.

        Shape:
            w: `(width,)`, float32, of length 1.
        """
        stream = self._stream(_WEIGHTS)
        direction = stream.standard_normal(self._features().shape[-1])
        bias = float(stream.standard_normal())
        return (direction / np.linalg.norm(direction)).astype(np.float32), bias if self.task == "linear" else 0.0

    def _answer(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32] | npt.NDArray[np.int32]:
        weights, bias = self.weights()
        exact = features @ weights + np.float32(bias)
        stream = self._stream(_NOISE)
        if self.task == "binary":
            swapped = stream.random(self.examples) < self.noise
            return ((exact > 0) ^ swapped).astype(np.int32)
        if self.task == "sequence":
            steps = exact.shape[1]
            # Scaled to variance 1, so that `noise` means the same as for the task linear.
            memory = math.sqrt(1 - DECAY**2) * DECAY ** np.arange(steps - 1, -1, -1)
            exact = exact @ memory.astype(np.float32)
        return exact + np.float32(self.noise) * stream.standard_normal(self.examples, dtype=np.float32)

    def _features(self) -> Features:
        if self.task == "segmentation":
            return Features("image", (self.width or _SIDE, self.width or _SIDE, 1))
        if self.task == "sequence":
            return Features("sequence", (self.steps or _STEPS, self.width or _SEQUENCE_WIDTH))
        return Features("vector", (self.width or _WIDTH,))

    def _target(self) -> Target:
        if self.task == "binary":
            return Target("classes", 2, ("0", "1"))
        if self.task == "segmentation":
            return Target("mask", len(CLASSES), CLASSES)
        return Target("values", 1, encoding="value")

    def _stream(self, number: int) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64([self.seed, number]))
