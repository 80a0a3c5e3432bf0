"""Set up a run: choose the device, load the data, compile the model, and provide the batches and evaluators."""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from dlrun.data import Dataset, Source
from dlrun.data.interface import Interface
from dlrun.data.target_transform import transform_target
from dlrun.decision import Decision
from dlrun.errors import DataError, Problem, SpecError
from dlrun.runs.folder import RunFolder
from dlrun.runs.provenance.environment import environment
from dlrun.runs.provenance.machine import usable_cores, versions
from dlrun.runs.record import Choice
from dlrun.signature import Description, Target
from dlrun.spec.checks.check import settled_target, target_of
from dlrun.spec.checks.training_check import find_unreached
from dlrun.spec.parse import SpecFile
from dlrun.spec.types import Spec
from dlrun.system.keras_internals import has_deterministic_ops
from dlrun.system.paths import unreadable
from dlrun.training.compilation import Compiled, TrainingLength, compile_model
from dlrun.training.devices.cluster import ALONE, Cluster
from dlrun.training.devices.device import Device, choose_device, free_bytes, share_cores
from dlrun.training.devices.jit_cache import measurement_key
from dlrun.training.evaluate import Evaluator
from dlrun.training.failures import building_failures, step_failures
from dlrun.training.loop import TrainingTask
from dlrun.training.predictor import Predictor
from dlrun.training.progress.events import Listener, Note, silent
from dlrun.training.progress.timeline import Timeline
from dlrun.training.step.augment.augment import Augment
from dlrun.training.step.augment.choice import augment_of, augments
from dlrun.training.step.cudnn import avoid_cudnn
from dlrun.training.step.feed import Feed, class_weights, epoch_order
from dlrun.training.step.frozen import as_they_are, choose_features
from dlrun.training.step.jit import choose_jit
from dlrun.training.step.parts import check_can_be_parted, check_penalties
from dlrun.training.step.replicas import Replicas, make_replicas
from dlrun.training.step.shares import choose_shares
from dlrun.training.step.steps import StepRunner
from dlrun.training.transfer.features import AT_ONCE as FEATURES_AT_ONCE
from dlrun.training.transfer.features import FrozenNetwork
from dlrun.training.transfer.phases import PhaseParts, Phases

# The objects that importing TensorFlow creates live as long as the process. Every garbage collection would traverse
# them all again, which took a third of the CPU time of a short training; `clear_session` alone asks for several.
gc.freeze()


@dataclass(frozen=True)
class ChosenSteps:
    """The training steps, whether XLA compiles them, and why."""

    jit: Choice
    steps: StepRunner


@dataclass(frozen=True)
class TrainingSetup:
    """The parts of one run that training and evaluation need, built for each other."""

    spec: Spec
    device: Device
    dataset: Dataset
    target: Target
    preprocess: keras.Model
    compiled: Compiled
    length: TrainingLength
    shares: Choice
    timeline: Timeline
    replicas: Replicas
    features: Choice | None = None
    phases: Phases | None = None
    listener: Listener = silent
    _evaluators: dict[str, Evaluator] = field(default_factory=dict)

    def describe_updates(self, steps: int) -> str:
        """Describe how often `steps` steps change the weights; empty if every step does."""
        each = self.compiled.steps_per_update
        updates, rest = divmod(steps, each)
        if each == 1:
            return ""
        left = f"; the last {rest} of {steps:,} steps are too few for another update" if rest else ""
        return f"{updates:,}, each with the mean gradient of {each} steps{left}"

    @property
    def is_exact(self) -> bool:
        """Whether the same steps always give the same bits; a GPU adds in any order by default."""
        return not self.device.is_gpu or has_deterministic_ops()

    def environment(self) -> dict[str, str]:
        """Return what determines the bits of the result besides the spec and the data."""
        threads = {
            "intra-op": tf.config.threading.get_intra_op_parallelism_threads(),
            "inter-op": tf.config.threading.get_inter_op_parallelism_threads(),
        }
        return environment(device=self.device.choice.value, workers=self.replicas.cluster.workers, threads=threads)

    def interface(self) -> Interface:
        """Return the description of the model's input and output that prediction needs."""
        dataset = self.dataset
        return Interface(dataset.name, dataset.raw_input(), dataset.preprocess, dataset.features, self.target)

    def predictor(self) -> Predictor:
        """Return a predictor with the model's current weights, in the precision that it is trained in."""
        batch_size = self.spec.training.evaluation_batch_size
        core = self.compiled.core
        return Predictor(core, preprocess=self.preprocess, target=self.target, batch_size=batch_size)

    def decided_by(self, decision: Decision | None) -> TrainingSetup:
        """Return the same parts with a decision that predictions follow; loss and metrics stay as they are."""
        return replace(self, target=self.target.decided_by(decision))

    def without_test(self) -> TrainingSetup:
        """Return the same parts without the test split: nothing that is done with them can look at it."""
        splits = {name: split for name, split in self.dataset.splits.items() if name != "test"}
        return replace(self, dataset=replace(self.dataset, splits=splits))

    def held_out_splits(self) -> tuple[str, ...]:
        """Return the names of the splits to score the final model on: all but the training split, if there are any."""
        return tuple(name for name in self.dataset.splits if name != "train") or ("train",)

    def choose_steps(self) -> ChosenSteps:
        """Return the training steps, compiled by XLA if the spec says so or if that was measured to be faster."""
        training, model, phase = self.spec.training, self.compiled.model, None
        if self.phases is not None:  # what is measured is the phase that takes longest
            phase = self.phases.longest()
            self.phases.enter(phase, is_new=True)
        feed = self.training_feed(holds_features=self.holds_features(phase))
        plain = StepRunner(
            model, model.train_step, feed, batch_size=training.batch_size, jit=False, replicas=self.replicas
        )
        order = epoch_order(feed.examples, seed=self.spec.seed, epoch=0, shuffle=training.shuffle)
        key = measurement_key(
            self.spec_with_choices(), self.environment(), features=self.dataset.features, target=self.target
        )
        with step_failures("training.batch_size", training.batch_size), self.timeline.spent("compile"):
            if self.replicas.count > 1:
                reason = f"{self.replicas.count} devices share each step"
                return ChosenSteps(Choice(value="off", reason=reason), plain)
            choice, steps = choose_jit(plain, self.spec, order, total_steps=self.length.steps, key=key)
        return ChosenSteps(choice, steps)

    def spec_with_choices(self, **choices: str) -> Spec:
        """Return the spec with the chosen values in place of `auto`, so that they are not chosen again."""
        # The cores were divided before the model was built. If the model turned out not to be divisible, keep `auto`:
        # a process that reads this spec has to divide its cores in the same way, to compute the same bits.
        is_settled = self.shares == self.compiled.shares
        shares = int(self.shares.value) if is_settled else self.spec.training.cpu_shares
        chosen = {"precision": self.compiled.precision.value, "cpu_shares": shares, **choices}
        return replace(self.spec, training=self.spec.training.model_copy(update=chosen))

    def job(self, folder: RunFolder, steps: StepRunner) -> TrainingTask:
        """Return what the training loop works on.

        Args:
            folder: The run.
            steps: The steps of `choose_steps`. Those of phases are compiled in the same way.
        """
        if self.phases is not None:
            self.phases.make = partial(self._phase_parts, compiled_like=steps)
        return TrainingTask(
            spec=self.spec,
            compiled=self.compiled,
            train=steps.feed,
            steps=steps,
            replicas=self.replicas,
            validation=self.evaluator("validation") if "validation" in self.dataset.splits else None,
            length=self.length,
            folder=folder,
            timeline=self.timeline,
            phases=self.phases,
        )

    def _phase_parts(self, index: int, *, compiled_like: StepRunner) -> PhaseParts:
        """Return what computes the steps of a phase that the model is in."""
        holds_features = self.holds_features(index)
        feed = compiled_like.feed
        if feed.holds_features != holds_features:
            feed = self.training_feed(holds_features=holds_features)
        has_validation = "validation" in self.dataset.splits
        validation = self.evaluator("validation", holds_features=holds_features) if has_validation else None
        return PhaseParts(compiled_like.again(feed), validation)

    def holds_features(self, phase: int | None = None) -> bool:
        """Return whether the examples of a phase are what the frozen network computes of them.

        Args:
            phase: The phase; None for the whole training, in which the network may learn in one of several phases.
        """
        phases = self.spec.phases()
        meant = phases if phase is None else phases[phase : phase + 1]
        return self.computes_features_once and all(each.trainable == "none" for each in meant)

    def training_feed(self, *, holds_features: bool | None = None) -> Feed:
        """Return the training split, with the class weights and the augmentation of the spec.

        Args:
            holds_features: Whether it holds what a frozen network computes of the images; None: if it never learns.
        """
        weights = class_weights(self.dataset.splits["train"], self.target, self.spec.training)
        augment = augment_of(self.dataset, seed=self.spec.seed)
        return self._feed("train", class_weight=weights, augment=augment, holds_features=holds_features)

    def evaluator(self, split: str, *, holds_features: bool | None = None) -> Evaluator:
        """Return the evaluator of a split, which is built once; class weights apply to training only.

        Args:
            split: The name of the split.
            holds_features: As for `training_feed`.
        """
        holds_features = self.holds_features() if holds_features is None else holds_features
        key = f"{split} as features" if holds_features else split
        if key not in self._evaluators:
            batch_size, feed = (
                self.spec.training.evaluation_batch_size,
                self._feed(split, holds_features=holds_features),
            )
            self._evaluators[key] = Evaluator(self.compiled.model, feed, batch_size=batch_size, replicas=self.replicas)
        return self._evaluators[key]

    def _feed(
        self,
        split: str,
        *,
        class_weight: npt.NDArray[np.float32] | None = None,
        augment: Augment | None = None,
        holds_features: bool | None = None,
    ) -> Feed:
        examples = self.dataset.splits[split]
        holds_features = self.holds_features() if holds_features is None else holds_features
        preprocess: Callable[[Any], Any] = self.preprocess
        if holds_features:
            examples, preprocess = replace(examples, features=self.frozen_features(split)), as_they_are
        wanted, size = self.spec.training.feed, sum(array.nbytes for _, array in examples.arrays())
        copies = 1 if self.device.is_gpu else len(self.replicas.devices)
        resident = wanted == "device" or (wanted == "auto" and copies * size <= free_bytes(self.device) // 2)
        # All processes have to decide alike: without a resident feed the calls take other numbers of steps, and every
        # process has to make the same calls.
        resident = not self.replicas.agree(anyone=not resident)[0]
        with building_failures():
            return Feed(
                examples,
                target=self.target,
                preprocess=preprocess,
                class_weight=class_weight,
                devices=self.replicas.devices,
                resident=resident,
                augment=augment,
                holds_features=holds_features,
            )

    @property
    def computes_features_once(self) -> bool:
        """Whether the output of a frozen network is computed once, and only the head is trained on it."""
        return self.features is not None and self.features.value == "once"

    def frozen_features(self, split: str) -> npt.NDArray[np.float32]:
        """Return what the frozen network computes of the examples of a split, with its present weights.

        Shape:
            Returns: `(examples, width)`.
        """
        premises = {**self.environment(), **versions(), "precision": self.compiled.precision.value}
        network = FrozenNetwork(self.preprocess, self.compiled.core, self.spec.model.frozen_layer(), premises)
        with step_failures("training.batch_size", FEATURES_AT_ONCE), self.timeline.spent("data"):
            return network.of_split(
                self.dataset.splits[split].features,
                split=split,
                fingerprint=self.dataset.fingerprint,
                listener=self.listener,
            )


def assemble(
    file: SpecFile,
    *,
    listener: Listener,
    timeline: Timeline | None = None,
    cluster: Cluster = ALONE,
    dataset: Dataset | None = None,
) -> TrainingSetup:
    """Choose the device, load the data, and build and compile the model.

    Args:
        file: The spec.
        listener: Receives notes about what was chosen, and warnings.
        timeline: Counts the time of each phase; None for a new one.
        cluster: The processes that train together.
        dataset: The data of the spec, if it is loaded already.

    Returns:
        Everything that training and evaluation need.

    Raises:
        SpecError: The spec does not fit the data.
        DataError: The data is missing or wrong.
        UsageError: The device does not exist.
        RunError: There is not enough memory for the model or the data.
    """
    # The order matters.
    # 1. Divide the cores: once TensorFlow has started, its threads stay as they are.
    # 2. Load the data and check the spec against it, so that a mistake shows before a model is built.
    # 3. Build the model. Only then are its updates and penalties known, also those of a plugin.
    spec, timeline = file.spec, timeline or Timeline()
    device = choose_device(spec.training.device, workers=cluster.workers)
    listener(Note("device", f"{device.choice.value}: {device.choice.reason}"))
    alone = cluster.workers * len(device.names) == 1
    shares = choose_shares(spec, on_gpu=device.is_gpu, cores=usable_cores(), alone=alone)
    share_cores(int(shares.value), cores=usable_cores())
    replicas = make_replicas(device, cluster)
    with building_failures(), timeline.spent("data"):
        dataset = (dataset or _load(spec.dataset)).with_pixel_range()
    for note in (*file.notes, *dataset.notes):
        listener(Note("data", note))
    for warning in dataset.warnings:
        listener(Note("warning", warning))
    examples = {name: len(split) for name, split in dataset.splits.items()}
    file.check(Description(dataset.features, dataset.target, examples))
    data_target = target_of(spec.model, dataset.features, dataset.target)
    if data_target is None:
        raise DataError(
            f"{spec.dataset.data_label(dataset)} has no labels", expected="labels, or a model of type autoencoder"
        )
    target = settled_target(spec.loss, spec.model, data_target)
    _check_training_split(spec, dataset, data_target)
    length = TrainingLength.of(spec, examples["train"])
    replicas.check_alike("dataset", sha256(f"{dataset.fingerprint} {dataset.names_sha256}".encode()).hexdigest())
    check_can_be_parted(spec, replicas=replicas.count, examples=examples["train"])
    placed = tf.device(device.names[0]) if replicas.count == 1 else nullcontext()
    with building_failures(), timeline.spent("build"), placed:
        compiled = compile_model(spec, dataset.features, target, replicas=replicas, length=length, shares=shares)
        preprocess = dataset.preprocess.build()
    if device.is_gpu:
        _choose_cudnn(compiled, dataset, listener)
    if file.trust.trains:
        _check_updates(compiled, length)
    check_penalties(compiled.model, spec, replicas=replicas.count, examples=examples["train"])
    if file.trust.trains:
        for late in find_unreached(spec, steps_per_epoch=length.steps_per_epoch, steps=length.steps):
            listener(Note("warning", late))
    features = choose_features(spec, compiled.model, augments=augments(dataset), replicas=replicas.count)
    choices = {"precision": compiled.precision, "cpu shares": compiled.shares, "features": features}
    for subject, choice in ((subject, choice) for subject, choice in choices.items() if choice is not None):
        listener(Note(subject, f"{choice.value}: {choice.reason}"))
    setup = TrainingSetup(
        spec, device, dataset, target, preprocess, compiled, length, shares, timeline, replicas, features,
        Phases(spec, compiled, length) if spec.training.phases is not None else None, listener,
    )  # fmt: skip
    if not setup.is_exact:
        listener(Note("exact", "no: a GPU may round differently in each run; TF_DETERMINISTIC_OPS=1 prevents it"))
    return setup


def _choose_cudnn(compiled: Compiled, dataset: Dataset, listener: Listener) -> None:
    """Keep the model's recurrent layers from using cuDNN if it does not support the masks of this data."""
    sequences = (split.features for split in dataset.splits.values())
    if reason := avoid_cudnn(compiled.model, sequences, are_tokens=dataset.features.kind == "tokens"):
        listener(Note("cudnn", f"off: {reason}"))


def _check_updates(compiled: Compiled, length: TrainingLength) -> None:
    """Check that training is long enough to change the weights.

    A plugin's optimizer may accumulate gradients without a key that the check of the spec could see.

    Raises:
        SpecError: The training has fewer steps than one accumulation of gradients.
    """
    if length.steps < compiled.steps_per_update:
        message = f"the optimizer updates the weights every {compiled.steps_per_update} steps, but training has only"
        raise SpecError([Problem(f"{message} {length.steps}", f"at most {length.steps}", origin="optimizer")])


def _load(source: Source) -> Dataset:
    try:
        dataset = transform_target(source.load(), source.target_transform)
    except PermissionError as error:
        raise unreadable(error) from error
    held_out = dataset.splits.get("validation")
    if source.fold is not None and (held_out is None or held_out.rows is None):
        what = f"datasets of type {source.type_name} cannot be divided into folds"
        hint = "its method load() has to return the splits of self.hold_out()"
        raise DataError(what, expected="a dataset that holds out validation examples", hint=hint)
    return dataset


def _check_training_split(spec: Spec, dataset: Dataset, target: Target) -> None:
    """Check that the training split fills a batch and has examples of every class.

    Raises:
        DataError: There are fewer examples than one batch takes, or none of some class.
    """
    train, batch_size, label = dataset.splits["train"], spec.training.batch_size, spec.dataset.data_label(dataset)
    if len(train) < batch_size:
        message = f"{label} has {len(train)} training examples, but a batch takes {batch_size}"
        hint = f"--set training.batch_size={len(train)}" if len(train) else "hold out fewer examples, or add more data"
        raise DataError(message, expected="at least one whole batch", hint=hint)
    if target.kind == "classes" and train.target is not None:
        present = np.unique(train.target)
        if len(present) < target.size:
            absent = target.size - len(present)
            # To name ten absent classes it is enough to look at the first len(present) + 10 classes.
            first = np.setdiff1d(np.arange(min(target.size, len(present) + 10)), present)[:10]
            names = ", ".join(target.class_names[i] if target.class_names else str(i) for i in first)
            message = f"{label} has no training example of {absent:,} of its {target.size:,} classes: {names}"
            raise DataError(message, expected="at least one training example of every class")
