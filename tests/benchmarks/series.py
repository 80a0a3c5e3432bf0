"""The default model of a series beside naive forecasts and linear autoregressions.

    python tests/benchmarks/series.py [FOLDER] [--seeds 2] [--horizon 1]

For each series: what `dlrun init` writes and `dlrun train` trains, the last value, the value one season before, and
least-squares autoregressions over 12 and 24 rows, fitted on all rows before the test split. The numbers are root mean
squared errors on the test split, over all steps of the horizon. The series are generated from formulas; to them come
those of the Beijing PM2.5 data if `DLRUN_TEST_DATA` has it, and the CSV files in FOLDER, with columns `time` and
`value`.
"""

import argparse
import csv
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import dlrun
from dlrun.init_config.draft import Wishes
from dlrun.init_config.write import write_config

ROWS = {
    "trend x season": 240,
    "AR(2)": 600,
    "random walk": 1500,
    "noise": 300,
    "steps": 600,
    "cycles": 320,
    "load": 17520,
}


def generated(random: np.random.Generator) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield name, unit of a step, and values of each series that a formula gives."""
    for name, rows in ROWS.items():
        t, noise = np.arange(rows), random.normal(size=rows)
        values = noise
        if name == "trend x season":
            values = (100 + 1.2 * t) * (1 + 0.3 * np.sin(t * 2 * np.pi / 12)) * np.exp(0.03 * noise)
        elif name == "AR(2)":
            values = np.zeros(rows)
            for row in range(2, rows):
                values[row] = 1.4 * values[row - 1] - 0.8 * values[row - 2] + noise[row]
        elif name == "random walk":
            values = 100 + noise.cumsum()
        elif name == "steps":
            values = np.repeat(random.normal(size=12) * 5, 50) + noise
        elif name == "cycles":  # of about 11 rows and of changing height, like sunspots
            height = 60 + 30 * np.sin(t / 25)
            values = height * np.maximum(np.sin(t * 2 * np.pi / 11 + 0.3 * np.sin(t / 17)), -0.4) ** 2 + 8 * np.abs(
                noise
            )
        elif name == "load":
            rest = np.zeros(rows)
            for row in range(1, rows):
                rest[row] = 0.92 * rest[row - 1] + 0.012 * noise[row]
            day = 1 + 0.3 * np.sin((t % 24 - 8) * 2 * np.pi / 24) + 0.1 * np.sin((t % 24) * 4 * np.pi / 24)
            weekend = 1 - 0.18 * (t // 24 % 7 >= 5) * day**0.5
            values = 900 * day * weekend * (1 + 0.15 * np.cos(2 * np.pi * t / 8766)) * np.exp(rest)
        yield name, {"load": "h", "random walk": "D"}.get(name, "M"), values


def write(path: Path, unit: str, values: np.ndarray) -> None:
    """Write a series with its times."""
    if unit == "h":
        times = [f"{np.datetime64('1990-01-01T00') + row}:00" for row in range(len(values))]
    elif unit == "D":
        times = [str(np.datetime64("1990-01-01") + row) for row in range(len(values))]
    else:
        times = [f"{1990 + row // 12}-{row % 12 + 1:02d}" for row in range(len(values))]
    lines = [f"{at},{'' if np.isnan(value) else f'{value:.5g}'}" for at, value in zip(times, values, strict=True)]
    path.write_text("\n".join(["time,value", *lines]) + "\n")


def beijing() -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield hourly and daily series of the Beijing PM2.5 data, if it is there."""
    path = Path(os.environ.get("DLRUN_TEST_DATA", "../shared/data")) / "beijing_pm25.csv"
    if not path.is_file():
        return
    rows = list(csv.DictReader(path.open()))
    for name in ("TEMP", "PRES", "pm2.5"):
        values = np.array([float(row[name]) if row[name] != "NA" else np.nan for row in rows])
        yield f"{name}, hourly", "h", values
        if name != "pm2.5":
            yield f"{name}, daily", "D", values.reshape(-1, 24).mean(axis=1)


def read(path: Path) -> np.ndarray:
    """Return the values, with NaN for missing ones."""
    return np.array([float(row["value"]) if row["value"] else np.nan for row in csv.DictReader(path.open())])


def rmse(errors: np.ndarray) -> float:
    """Return the root mean square of known errors."""
    return float(np.sqrt(np.nanmean(np.square(errors))))


def autoregression(values: np.ndarray, lags: int, tested: np.ndarray, horizon: int) -> float:
    """Return the error of linear functions of the rows before, fitted on the rows before all forecasts.

    Each step of the horizon has a function of its own. `tested` has the first row of each forecast.
    """
    known = ~np.isnan(values)
    filled = values[np.maximum.accumulate(np.where(known, np.arange(len(values)), np.argmax(known)))]
    first = np.arange(lags, len(values) - horizon + 1)
    steps = first[:, None] + np.arange(horizon)
    windows = np.lib.stride_tricks.sliding_window_view(filled, lags)[: len(first)]
    inputs = np.concatenate([windows - filled.mean(), np.ones((len(first), 1))], axis=1)
    fitted = (steps[:, -1] < tested[0]) & known[steps].all(axis=1)
    weights = np.linalg.lstsq(inputs[fitted], filled[steps][fitted], rcond=None)[0]
    return rmse(inputs[tested - lags] @ weights - values[tested[:, None] + np.arange(horizon)])


def measure(path: Path, folder: Path, seeds: int, horizon: int) -> list[str]:
    """Return the cells of a series after its name."""
    config = folder / "config.yaml"
    began = time.perf_counter()
    write_config(str(path), config, Wishes(kind="series", target="value", horizon=horizon), force=True)
    started = time.perf_counter()
    # A least-squares solution is the same for every seed.
    seeds = seeds if "type: linear" not in config.read_text() else 1
    results = [dlrun.train(config, overrides=(f"seed={seed}",), runs_dir=folder / "runs") for seed in range(seeds)]
    seconds = (started - began, (time.perf_counter() - started) / seeds)
    errors = [result.scores["test"]["root_mean_squared_error"] for result in results]
    record, values = results[0].record, read(path)
    naive = [record["naive"]["test"]["root_mean_squared_error"]]
    naive += [each["test"]["root_mean_squared_error"] for each in record["baseline"]["weaker"].values()]
    naive = naive if record["baseline"]["method"] == "the last value" else naive[::-1]
    known = ~np.isnan(values)
    whole = np.lib.stride_tricks.sliding_window_view(known, horizon).all(axis=1)
    tested = np.flatnonzero(whole)[-record["dataset"]["examples"]["test"] :]
    ar = [autoregression(values, lags, tested, horizon) for lags in (12, 24)]
    spread = f" +- {np.std(errors):.2g}" if np.std(errors) > 0 else ""
    return [
        f"{len(values):,}",
        record["model"]["type"],
        f"{np.mean(errors):.4g}{spread}",
        f"{naive[0]:.4g}",
        f"{naive[1]:.4g}" if len(naive) > 1 else "-",
        *(f"{each:.4g}" for each in ar),
        f"{100 * (np.mean(errors) / min(naive) - 1):+.1f} %",
        f"{100 * (np.mean(errors) / ar[0] - 1):+.1f} %",
        f"{seconds[0]:.0f} + {seconds[1]:.0f}",
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--horizon", type=int, default=1)
    given = parser.parse_args()
    header = ["series", "rows", "default", "RMSE", "last value", "one season before", "AR(12)", "AR(24)"]
    header += ["against the better naive", "against AR(12)", "seconds (init + train)"]
    print(f"| {' | '.join(header)} |\n|{'---|' * len(header)}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths: dict[str, Path] = {}
        for title, unit, values in (*generated(np.random.default_rng(0)), *beijing()):
            paths[title] = folder / f"{len(paths)}.csv"
            write(paths[title], unit, values)
        for path in sorted(given.folder.glob("*.csv")) if given.folder else ():
            paths[path.stem] = path
        for title, path in paths.items():
            print(f"| {title} | {' | '.join(measure(path, folder, given.seeds, given.horizon))} |", flush=True)


if __name__ == "__main__":
    main()
