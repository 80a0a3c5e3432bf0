"""Compose the spec of an ensemble from the specs of its members, so that the code can read it again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from dlrun.experiment.ensemble.members import MemberRun
from dlrun.losses import Loss
from dlrun.spec.parse import SpecFile, parse_given
from dlrun.spec.trust import Trust

_USUAL_LOSSES = {
    "classes": "sparse_categorical_crossentropy",
    "class_columns": "sparse_categorical_crossentropy",
    "labels": "binary_crossentropy",
    "values": "mean_squared_error",
}
TRUST = Trust(looks_at_data=False, trains=False)
"""The members' specs are verified already; their data is loaded by the caller, and nothing is trained."""


@dataclass(frozen=True)
class ComposedSpec:
    """The spec of an ensemble.

    Args:
        file: The spec.
        notes: What was chosen, with the reason, one sentence each.
    """

    file: SpecFile
    notes: tuple[str, ...]


def compose_spec(
    members: Sequence[MemberRun], weights: Sequence[float], *, name: str, has_validation: bool
) -> ComposedSpec:
    """Return the spec of the ensemble.

    Args:
        members: The members; those with a weight of 0 are left out.
        weights: The weight of each.
        name: The name of the run.
        has_validation: Whether the members have the same validation split, on which a threshold can be chosen.

    Raises:
        SpecError: The name is not valid, or the plugins of two members do not work together.
    """
    pairs = [(member, weight) for member, weight in zip(members, weights, strict=True) if weight > 0]
    kept = [member for member, _ in pairs]
    loss, notes = _choose_loss(kept)
    decision, of_decision = _choose_decision(kept, has_validation=has_validation)
    plugins = _distinct_plugins(kept)
    given: dict[str, Any] = {
        "name": name,
        **({"plugins": plugins} if plugins else {}),
        "dataset": _dataset(kept),
        "model": {"type": "ensemble", "members": [_network(member, weight) for member, weight in pairs]},
        "optimizer": "sgd",  # never used, and the only one without variables that a checkpoint would have to hold
        "loss": loss,
        "metrics": list(_metrics(kept)),
        **({"decision": decision} if decision else {}),
        "training": {
            "batch_size": 1,
            "epochs": 1,
            "evaluation_batch_size": kept[0].spec.training.evaluation_batch_size,
            "precision": "float32",
            "jit": "off",
            "cpu_shares": 1,
            "tensorboard": False,
        },
    }
    return ComposedSpec(parse_given(given, trust=TRUST), (*notes, *of_decision))


def _dataset(members: Sequence[MemberRun]) -> dict[str, Any]:
    sections = [member.spec.dataset.plain() for member in members]
    if all(section == sections[0] for section in sections):
        return sections[0]
    return {"type": "ensemble", "members": sections}


def _network(member: MemberRun, weight: float) -> dict[str, Any]:
    target = member.interface.target
    calibration = asdict(target.decision) if target.decision is not None else {}
    return {
        **{key: calibration[key] for key in ("temperatures", "curves") if calibration.get(key)},
        "weight": weight,
        "encoding": target.encoding,
        "activation": target.activation,
        **({"levels": target.levels} if target.levels else {}),
        "standardized": not member.spec.loss.takes.own_unit,
        "model": member.spec.model.plain(),
    }


def _choose_loss(members: Sequence[MemberRun]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the section loss, and why it is not that of the members, if it is not."""
    losses = [member.spec.loss for member in members]
    usual = _USUAL_LOSSES[members[0].interface.target.kind]
    if any(loss.plain() != losses[0].plain() for loss in losses):
        found = ", ".join(dict.fromkeys(loss.type_name for loss in losses))
        return {"type": usual}, (f"loss: {usual}, because the members have different losses ({found})",)
    if not _takes_linear(losses[0]):
        why = f"{losses[0].type_name} needs a last layer with an activation, and the mean has none"
        return {"type": usual}, (f"loss: {usual}, because {why}",)
    return losses[0].plain(), ()


def _choose_decision(
    members: Sequence[MemberRun], *, has_validation: bool
) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
    """Return the section decision of all members, if it can be chosen anew for the ensemble, or why it cannot."""
    rules = [member.spec.decision.plain() if member.spec.decision is not None else None for member in members]
    have_any = any(rules) or any(member.interface.target.decision is not None for member in members)
    if not have_any:
        return None, ()
    before = "the calibrated probabilities of the members are averaged, and the most probable class is chosen"
    if not all(rule == rules[0] for rule in rules) or rules[0] is None:
        return None, (f"decision: {before}, because not all members have the same section decision",)
    if not has_validation:
        return None, (f"decision: {before}, because there is no common validation split to choose a threshold on",)
    return rules[0], ()


def _takes_linear(loss: Loss) -> bool:
    return not loss.takes.ends or "linear" in loss.takes.ends


def _metrics(members: Sequence[MemberRun]) -> Iterator[dict[str, Any]]:
    """Yield the metrics of all members; of two with the same name, that of the earlier member."""
    names: set[str] = set()
    for member in members:
        for metric in member.spec.metrics:
            if metric.log_name not in names:
                names.add(metric.log_name)
                yield metric.plain()


def _distinct_plugins(members: Sequence[MemberRun]) -> list[str]:
    """Return the plugin files of all members, each content once."""
    found: dict[str, str] = {}
    for member in members:
        for plugin in member.spec.plugins:
            found.setdefault(sha256(Path(plugin).read_bytes()).hexdigest(), plugin)
    return list(found.values())
