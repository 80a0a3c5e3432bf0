"""Combine configs, `--set`, `--grid` and `--seeds` into the runs of a batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlrun.data.division.folds import Fold
from dlrun.errors import UsageError
from dlrun.spec.search.space import Categorical, Option, Space, shown_values

SEED, FOLD, REPEAT = "seed", "fold", "repeat"
LARGEST_BATCH = 10_000
_OPENING, _CLOSING, _QUOTES = "([{", ")]}", "'\""


@dataclass(frozen=True)
class Combination:
    """One run of a batch, as the command line specifies it.

    Args:
        config: The path of the YAML file.
        overrides: `key=value` pairs: those of all runs, then `values`.
        values: What distinguishes this run from the others of its config: keys and the text of their values, then the
            seed, and last the repeat and the fold if its spec has folds.
    """

    config: Path
    overrides: tuple[str, ...]
    values: tuple[tuple[str, str], ...]

    def without(self, *keys: str) -> tuple[tuple[str, str], ...]:
        """Return the values of all other keys."""
        return tuple(pair for pair in self.values if pair[0] not in keys)

    def of_fold(self, fold: Fold, *, repeats: int = 1) -> Combination:
        """Return the run of one fold, of so many repeats."""
        pairs = (*(((REPEAT, str(fold.repeat)),) if repeats > 1 else ()), (FOLD, str(fold.index)))
        keys = ", ".join(f"{key}: {value}" for key, value in fold.model_dump().items())
        # The section that implies the folds is removed, so that the spec of each run is that of an ordinary run.
        overrides = (*self.overrides, "folds=null", f"dataset.fold={{{keys}}}")
        return Combination(self.config, overrides, (*self.values, *pairs))


def combine(
    configs: Sequence[Path], overrides: Sequence[str], grids: Sequence[str], seeds: str = ""
) -> tuple[Combination, ...]:
    """Return all combinations: for each config each value of each grid, and for each of those every seed.

    Args:
        configs: The paths of the YAML files.
        overrides: `key=value` pairs for all runs.
        grids: `key=value,value` for each key. A comma inside brackets or quotes belongs to a value.
        seeds: The number of seeds, which count from 0, or a list of seeds such as `3,7`; empty for the spec's own seed.

    Raises:
        UsageError: A grid or the seeds are malformed, a key is given twice, or there are too many combinations.
    """
    axes = [*map(_parse_grid, grids), *([(SEED, parse_seeds(seeds))] if seeds else [])]
    _check_keys([key for key, _ in axes], overrides)
    # The values are enumerated as those of a grid search, and stay the texts that they are.
    grid = Space(tuple(Categorical(key, key, tuple(Option(value, value) for value in values)) for key, values in axes))
    size = len(configs) * (grid.size or 0)
    if size > LARGEST_BATCH:
        raise UsageError(f"the batch would have {size:,} runs", expected=f"at most {LARGEST_BATCH:,}")
    return tuple(
        Combination(config, (*overrides, *(f"{key}={value}" for key, value in values)), values)
        for config in configs
        for values in (shown_values(grid, point) for point in grid.points())
    )


def parse_seeds(text: str) -> tuple[str, ...]:
    """Return the seeds of `--seeds`: `3` means 0, 1 and 2; `3,7` means 3 and 7.

    Args:
        text: The value of the option.

    Raises:
        UsageError: The value is neither a number nor a list of numbers.
    """
    seeds = [part.strip() for part in text.split(",")]
    seeds = seeds[:-1] if len(seeds) == 2 and not seeds[1] else seeds  # `3,` means only seed 3
    if not all(seed.isascii() and seed.isdecimal() for seed in seeds) or text.strip() == "0":
        raise UsageError(f"--seeds is {text!r}", expected="a number of seeds (5), or a list of them (3,7)")
    if "," not in text:
        if int(text) > LARGEST_BATCH:
            raise UsageError(f"--seeds is {text}", expected=f"at most {LARGEST_BATCH:,}", hint=f"--seeds {text},")
        return tuple(map(str, range(int(text))))
    _check_once([str(int(seed)) for seed in seeds], where="--seeds")
    return tuple(seeds)


def _parse_grid(text: str) -> tuple[str, tuple[str, ...]]:
    key, equals, values = text.partition("=")
    parts = tuple(part.strip() for part in _split(values))
    if not equals or not key.strip() or not all(parts):
        example = "--grid training.batch_size=32,64"
        raise UsageError(f"--grid {text} is not a grid", expected="KEY=VALUE,VALUE", hint=example)
    _check_once(parts, where=f"--grid {key.strip()}")
    return key.strip(), parts


def _split(text: str) -> Iterator[str]:
    """Yield the parts between the commas that are outside brackets and quotes."""
    depth, quote, begin = 0, "", 0
    for index, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in _QUOTES and not text[begin:index].strip():
            quote = char
        elif char in _OPENING:
            depth += 1
        elif char in _CLOSING:
            depth -= 1
        elif char == "," and depth <= 0:
            yield text[begin:index]
            begin = index + 1
    yield text[begin:]


def _check_once(values: Iterable[str], *, where: str) -> None:
    repeated = [value for value, count in Counter(values).items() if count > 1]
    if repeated:
        raise UsageError(f"{where} has {repeated[0]} twice", expected="each value once")


def _check_keys(keys: Sequence[str], overrides: Sequence[str]) -> None:
    """Check that no later option replaces the value of an earlier one, which would have no effect."""
    earlier = [override.partition("=")[0].strip() for override in overrides]
    for key in keys:
        for other in earlier:
            if other == key or other.startswith(f"{key}."):
                message = f"{key} is given twice" if key == other else f"{key} replaces {other}, but both are given"
                raise UsageError(message, expected="each key in only one of --set, --grid and --seeds")
        earlier.append(key)
