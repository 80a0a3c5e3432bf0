"""The ensemble: the weighted mean of the predictions of several trained networks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from dlrun.component import FieldProblem, Fields, nested
from dlrun.decision import CalibrationCurve, Decision
from dlrun.models.layers import features_input
from dlrun.models.model import Model, models
from dlrun.models.parts.difference import with_last_value
from dlrun.models.parts.levels import with_ordered_levels
from dlrun.signature import Features, Target

if TYPE_CHECKING:
    import keras

    MemberModel = Model
else:
    MemberModel = nested("model", models.find)

_TOLERANCE = 1e-6


class MemberCurve(Fields):
    """A calibration curve of a member: a piecewise linear function from the logit to the probability."""

    logits: tuple[float, ...] = Field(description="Positions of its points, increasing.")
    probabilities: tuple[float, ...] = Field(description="Its values there.")


class EnsembleMember(Fields):
    """A network of an ensemble, with what its loss decided about its output."""

    weight: float = Field(gt=0, le=1, description="Weight of its predictions; all weights add up to 1.")
    encoding: Literal["index", "one_hot", "binary", "value"] = Field(
        description="Form of the target that it was trained with, which decides the number of its outputs."
    )
    activation: str = Field(description="Name of its last activation.")
    standardized: bool = Field(default=True, description="Whether it learned values that were standardized.")
    levels: tuple[float, ...] = Field(default=(), description="Levels of the quantiles that it predicts, if it does.")
    temperatures: tuple[float, ...] = Field(
        default=(), description="Temperatures by which its probabilities are calibrated before they are averaged."
    )
    curves: tuple[MemberCurve, ...] = Field(
        default=(), description="Curves by which its probabilities are calibrated before they are averaged."
    )
    model: MemberModel = Field(description="The network, as a section model.")

    def settle(self, target: Target) -> Target:
        """Return the target that the network was trained for.

        Args:
            target: Target of its data, before a loss has chosen the encoding.
        """
        curves = tuple(CalibrationCurve(curve.logits, curve.probabilities) for curve in self.curves)
        decision = Decision(temperatures=self.temperatures, curves=curves) if self.temperatures or curves else None
        settled = replace(
            target, encoding=self.encoding, activation=self.activation, decision=decision, levels=self.levels
        )
        return settled if self.standardized else settled.without_scale()


@models.register("ensemble")
class Ensemble(Model):
    """The weighted mean of the predictions of trained networks, as `dlrun ensemble` writes it.

    Its members were trained each in a run of its own, so that it is not trained itself.

    Formula:
        p(x) = sum over members i of w_i p_i(x), for probabilities and for values
    """

    learns_embedded = True
    is_trainable: ClassVar[bool] = False

    members: tuple[EnsembleMember, ...] = Field(description="The networks and their weights.")

    def problems(self) -> Iterator[FieldProblem]:
        """Yield weights that do not add up to 1, and the problems of the networks."""
        total = math.fsum(member.weight for member in self.members)
        if abs(total - 1) > _TOLERANCE:
            yield FieldProblem(("members",), f"the weights of the members add up to {total:g}", "1")
        for index, member in enumerate(self.members):
            for problem in member.model.problems():
                yield replace(problem, path=("members", index, "model", *problem.path))

    def misfits(self, features: Features) -> Iterator[FieldProblem]:
        """Yield the members that cannot take their features."""
        if features.members and len(features.members) != len(self.members):
            what = f"the data is for {len(features.members)} members, and the model has {len(self.members)}"
            yield FieldProblem(("members",), what, "as many")
            return
        for index, member in enumerate(self.members):
            own, path = features.members[index] if features.members else features, ("members", index, "model")
            if own.kind not in member.model.takes:
                what = f"a model of type {member.model.type_name} does not accept {own.kind} features"
                yield FieldProblem((*path, "type"), what, "features of kind " + " or ".join(member.model.takes))
                continue
            for problem in member.model.misfits(own):
                yield replace(problem, path=(*path, *problem.path))

    def final_activation(self, target: Target) -> str:  # noqa: ARG002
        """Return `linear`: the means of probabilities are returned as logits."""
        return "linear"

    def build(self, features: Features, target: Target) -> keras.Model:
        """Build the Keras model.

        Shape:
            Input: `(batch, *features.shape)`. Output: `(batch, target.units)`, float32.
        """
        import keras

        from dlrun.models.ensemble.averaging import average_outputs

        inputs = features_input(features)
        outputs, goals = [], []
        for index, (member, own, part) in enumerate(zip(self.members, *self._parts(inputs, features), strict=True)):
            goal = member.settle(target.members[index] if target.members else replace(target, members=()))
            # The scope keeps the names of the variables apart, by which checkpoints find them.
            with keras.name_scope(member_name(index)):
                core = with_last_value(with_ordered_levels(member.model.build(own, goal), goal), goal)
            core.name = member_name(index)
            outputs.append(core(part))
            goals.append(goal)
        weights = [member.weight for member in self.members]
        return keras.Model(inputs, average_outputs(outputs, weights, goals, target), name=self.type_name)

    def _parts(self, inputs: Any, features: Features) -> tuple[list[Features], list[Any]]:
        """Return the features of each member: their shape and kind, and the tensor."""
        from keras import layers, ops

        if not features.members:
            return [features] * len(self.members), [inputs] * len(self.members)
        parts, first = [], 0
        for index, own in enumerate(features.members):
            part = inputs[:, first : first + own.size]
            if own.kind == "tokens" and features.kind != "tokens":
                part = ops.cast(part, "int32")
            if len(own.shape) > 1:
                part = layers.Reshape(own.shape, name=f"features_{index}")(part)
            parts.append(part)
            first += own.size
        return list(features.members), parts


def member_name(index: int) -> str:
    """Return the name of the network of a member, with which the names of its variables start."""
    return f"member_{index}"
