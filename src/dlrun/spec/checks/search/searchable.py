"""Which keys of a spec a search may vary: those that change the model, but not the examples that judge it."""

from __future__ import annotations

from collections.abc import Iterable

from dlrun.errors import Problem
from dlrun.names import nearest
from dlrun.spec.habits import elsewhere
from dlrun.spec.sections import SECTIONS
from dlrun.spec.types import Training
from dlrun.spec.validate import did_you_mean
from dlrun.yaml_tree.document import Place

SEARCHED_SECTIONS = ("dataset", "model", "optimizer", "schedule", "loss", "training")
_NOT_VARIED = {
    "seed": "search.seeds: 3 trains each point with three seeds",
    "name": "",
    "search": "",
    "folds": "",
    "metrics": "",
    "plugins": "",
    "tracking": "",
    "evaluation": "",
    "decision": "",
}
"""Other keys of a spec, with what to do instead."""

_OF_THE_EXAMPLES = frozenset({
    "builtin", "classes", "corrupt", "data_dir", "delimiter", "download", "encoding", "examples", "fold", "group",
    "header", "horizon", "image_column", "keys", "label", "label_column", "members", "missing_target", "name", "names",
    "noise", "num_classes", "path", "quoted", "seed", "split", "standard_input", "steps", "target", "task", "test",
    "test_path", "time", "type", "validation", "validation_path", "weight", "width",
})  # fmt: skip
"""Keys of a dataset that decide which examples are scored, how much each counts, or what is predicted."""

_WITHOUT_EFFECT = frozenset({
    "checkpoint_minutes", "device", "early_stopping.metric", "evaluation_batch_size", "feed", "keep_checkpoints",
    "max_minutes", "monitor", "report", "tensorboard",
})  # fmt: skip
"""Keys of the training that do not change how good a model can become."""


def key_problem(path: str, place: Place) -> Problem | None:
    """Return why a search cannot vary a key; None if it can, as far as its name says.

    Args:
        path: The key, with dots.
        place: Its location in the space.
    """
    section, _, key = path.partition(".")
    expected = f"a key of {', '.join(SEARCHED_SECTIONS)}, such as optimizer.learning_rate"
    if section in _NOT_VARIED:
        return place.problem(f"a search does not vary {path}", expected=expected, hint=_NOT_VARIED[section])
    if section not in SEARCHED_SECTIONS:
        return place.problem(f"unknown key {path!r} in search.space", expected=expected, hint=_near(section, key))
    if section == "dataset":
        return _of_dataset(key, place)
    if path == "training":
        what = "search.space.training varies a whole section of many keys"
        return place.problem(what, expected="one of its keys, such as training.batch_size")
    if section == "training" and (key in _WITHOUT_EFFECT or key == "early_stopping"):
        what = f"a search does not vary {path}: it changes how a model is watched, not the model"
        kept = [name for name in Training.model_fields if name not in _WITHOUT_EFFECT | {"early_stopping"}]
        return place.problem(what, expected="one of " + ", ".join(f"training.{name}" for name in kept))
    return None


def _of_dataset(key: str, place: Place) -> Problem | None:
    if key and key.partition(".")[0] not in _OF_THE_EXAMPLES:
        return None
    found = f"dataset.{key}" if key else "the whole dataset"
    what = f"a search does not vary {found}: scores of different examples cannot be compared"
    hint = "dlrun batch --grid trains one config with several datasets" if key in ("", "type", "path") else ""
    return place.problem(what, expected="a key that leaves examples and target as they are", hint=hint)


def _near(section: str, key: str) -> str:
    near = nearest(section, (*SECTIONS, "training"))
    if key and near:
        return did_you_mean(f"{near}.{key}")
    paths = [path for path in elsewhere(section) if path.partition(".")[0] in SEARCHED_SECTIONS and not key]
    return f"did you mean {' or '.join(paths)}?" if paths else did_you_mean(near)


def overlap_problems(places: dict[str, Place]) -> Iterable[Problem]:
    """Yield the keys of a space that are below another one.

    Args:
        places: Location of each key in the space.
    """
    for path, place in places.items():
        above = next((other for other in places if path.startswith(f"{other}.")), None)
        if above is not None:
            key = path.removeprefix(f"{above}.")
            what = f"{path} is below {above}, which is varied as a whole"
            hint = f"put {key} inside the choices of {above} that have it: {{type: ..., {key}: {{choices: [...]}}}}"
            yield place.problem(what, expected=f"only one of {above} and {path}", hint=hint)
