"""Write the generated part of config.md: every key that a config may have, from the components themselves.

`make docs` runs it; a test holds the page to what it writes. What stands above the marker in
config.md is written by hand.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dlrun.data.division.folds import Folds
from dlrun.spec.decision import DecisionRule
from dlrun.spec.describe import describe_component, describe_keys, list_components
from dlrun.spec.schema import REQUIRED, json_schema
from dlrun.spec.search.section import SearchKeys
from dlrun.spec.sharing.schema import SHARED_KEYS
from dlrun.spec.transfer.initialize import Initialize
from dlrun.spec.types import EvaluationKeys, Training

PAGE = Path(__file__).with_name("config.md")
MARKER = "<!-- Written by `make docs` from here on: change the descriptions in the source instead. -->\n"
_SECTIONS = ("dataset", "model", "optimizer", "schedule", "loss", "metric", "tracker", "layer")
_MOST_CHOICES = 8
_QUOTE = "'"
_KERAS = re.compile(r"^keras\.|table\.json$")
"""The origin of components whose keys are the arguments of a Keras class."""


def config_reference() -> str:
    """The whole page, with its generated part made anew."""
    by_hand, marker, _ = PAGE.read_text().partition(MARKER)
    return by_hand + marker + "\n" + "\n".join(_generated()) + "\n"


def _generated() -> Iterator[str]:
    yield from _top_level()
    yield from _heading("training", 2)
    yield "How long, on what, and how the training ends: the keys under `training:`.\n"
    yield from _table(describe_keys(Training))
    yield from _heading("evaluation", 2)
    yield "What is evaluated at the end, besides loss and metrics: the keys under `evaluation:`.\n"
    yield from _table(describe_keys(EvaluationKeys))
    yield from _heading("folds", 2)
    yield "Cross-validation: the keys under `folds:`, or only a number, which is short for `count`.\n"
    yield from _table(describe_keys(Folds))
    yield from _heading("initialize", 2)
    yield "The run whose weights a training starts from: the keys under `initialize:`, or its id alone.\n"
    yield from _table(describe_keys(Initialize))
    yield from _heading("decision", 2)
    yield "What is chosen on the validation split at the end of the training: the keys under `decision:`.\n"
    yield from _table(describe_keys(DecisionRule))
    yield from _heading("search", 2)
    yield "Which keys to vary, and how: the keys under `search:`. [Search](search.md) explains them.\n"
    yield from _table(describe_keys(SearchKeys))
    listed = list_components()
    for kind in _SECTIONS:
        yield from _heading(kind, 2)
        by_keras = []
        for name, summary in listed[kind].items():
            (component,) = (found for found in describe_component(name) if found["kind"] == kind)
            if _KERAS.search(component["origin"]):
                by_keras.append((name, summary, component["keys"]))
                continue
            yield from _heading(f"{kind}: {name}", 3)
            yield _plain(summary) + "\n"
            if component["keys"]:
                yield from _table(component["keys"])
            else:
                yield "It has no keys.\n"
        if by_keras:
            yield from _of_keras(by_keras)


def _top_level() -> Iterator[str]:
    schema = json_schema()
    required = set(REQUIRED)
    yield from _heading("Top level", 2)
    yield "| key | default | meaning |\n|---|---|---|"
    for key, described in schema["properties"].items():
        section = {"metrics": "metric", "tracking": "tracker"}.get(key, key)
        own = {"name", "seed", "plugins", *SHARED_KEYS}
        meaning = described.get("description", "") if key in own else f"See [{section}](#{section})."
        default = "required" if key in required else _default(described.get("default"), key)
        yield f"| `{key}` | {default} | {_plain(meaning)} |"
    yield ""


def _default(value: Any, key: str) -> str:
    implied = {"optimizer": "`adam`", "schedule": "`constant`", "metrics": "`[]`", "plugins": "`[]`"}
    return implied.get(key) or (f"`{value}`" if value is not None else "")


def _heading(text: str, level: int) -> Iterator[str]:
    yield f"{'#' * level} {text}\n"


def _table(keys: Any) -> Iterator[str]:
    yield "| key | value | meaning |\n|---|---|---|"
    for key in keys:
        default = "**required**" if key["required"] else f"default `{key['default'].strip(_QUOTE)}`"
        if key["default"] in {"a group of keys", "null"} and not key["required"]:
            default = "optional"
        yield f"| `{key['name']}` | {_plain(_shortened(key['type']))}; {default} | {_plain(key['description'])} |"
    yield ""


def _of_keras(components: list[tuple[str, str, Any]]) -> Iterator[str]:
    example = components[0][0]
    yield f"These are Keras' own, with Keras' arguments. `dlrun components {example}` explains each key of one.\n"
    yield "| name | what it is | keys |\n|---|---|---|"
    for name, summary, keys in components:
        names = ", ".join(f"`{key['name']}`" + (" (required)" if key["required"] else "") for key in keys)
        yield f"| `{name}` | {_plain(summary)} | {names or '-'} |"
    yield ""


def _shortened(kind: str) -> str:
    """A type whose many choices are cut to the first few."""

    def shortened(match: re.Match[str]) -> str:
        choices = match[1].split(", ")
        if len(choices) <= _MOST_CHOICES:
            return match[0]
        return f"one of {', '.join(choices[:3])}, ... ({len(choices)} names)"

    return re.sub(r"one of ((?:\w+, )+\w+)", shortened, kind)


def _plain(text: str) -> str:
    """Text for a cell of a Markdown table."""
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())


if __name__ == "__main__":
    PAGE.write_text(config_reference())
