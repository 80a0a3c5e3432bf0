"""The default model of `dlrun init` beside LightGBM and a linear model, on tables that everyone can get.

    python tests/benchmarks/tables.py prepare FOLDER [--data DATA] [--seeds 2] [--tables adult,wine]
    python tests/benchmarks/tables.py peers FOLDER [--seeds 2] [--tables adult,wine]
    python tests/benchmarks/tables.py dlrun FOLDER [--seeds 2] [--tables adult,wine] [--folds 5] [--set KEY=VALUE ...]
                                             [--as NAME]
    python tests/benchmarks/tables.py show FOLDER [--as NAME] [--markdown FILE]

`prepare` and `peers` need scikit-learn, pandas and LightGBM, in an environment of their own: Keras imports them where
it finds them. `prepare` writes train.csv and test.csv (20 % of the rows) of each table and seed: those that
scikit-learn contains, some of its generators, and, where the folder DATA of test data is given, census and air quality;
and small samples of them.
`peers` trains LightGBM with its defaults, stopped early on 20 % of the training rows, and a logistic or ridge
regression on standardised numbers and one-hot categories. `dlrun` runs `dlrun init`, `dlrun train` and `dlrun predict`
as a user would. Scores are on test.csv: log loss for classes, RMSE for numbers.

dlrun sees the rows of test.csv only when it predicts them. The defaults were chosen by these scores, though: they say
how well the choice fits these tables, and a little too much about other tables.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import importlib.util
import io
import json
import math
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

SEEDS = 2
TEST_PART, VALIDATION_PART = 0.2, 0.2
STOPPING_ROUNDS = 50


def scikit_tables() -> Iterator[tuple[str, str, Any]]:
    """Yield name, target and rows of the data sets that are part of scikit-learn, and of some of its generators."""
    import pandas as pd
    from sklearn import datasets

    for name in ("iris", "wine", "breast_cancer", "digits", "diabetes"):
        loaded = getattr(datasets, f"load_{name}")(as_frame=True)
        frame = loaded.frame
        if name != "diabetes":
            frame = frame.assign(target=[f"c{label}" for label in frame["target"]])
        yield name, "target", frame
    for name, target, without in (
        ("40945", "survived", ["boat", "body"]),
        ("42585", "body_mass_g", []),
        ("3", "class", []),
        ("561", "class", []),
        ("62", "type", []),
        ("40675", "class", []),
    ):
        title = {"40945": "titanic", "42585": "penguins", "3": "chess", "561": "cpu", "62": "zoo", "40675": "glass"}
        frame = openml_frame(name).drop(columns=without)
        yield title[name], target, frame[frame[target].notna()].reset_index(drop=True)
    for name, rows, options in (
        ("friedman1", 2000, {"noise": 1.0}),
        ("friedman2", 500, {"noise": 100.0}),
        ("friedman3", 1000, {"noise": 0.1}),
    ):
        x, y = getattr(datasets, f"make_{name}")(n_samples=rows, random_state=0, **options)
        yield name, "y", pd.DataFrame(x, columns=[f"x{i}" for i in range(x.shape[1])]).assign(y=y)
    x, y = datasets.make_hastie_10_2(n_samples=4000, random_state=0)
    frame = pd.DataFrame(x, columns=[f"x{i}" for i in range(x.shape[1])])
    yield "hastie", "y", frame.assign(y=["pos" if each > 0 else "neg" for each in y])


def small_tables(found: Mapping[str, tuple[str, Any]]) -> Iterator[tuple[str, str, Any]]:
    """Yield name, target and rows of tables of a hundred to a few hundred rows: samples of others, and generators."""
    import pandas as pd
    from sklearn import datasets

    for name, source, rows in (
        ("adult_125", "adult", 125),
        ("adult_312", "adult", 312),
        ("titanic_375", "titanic", 375),
        ("breast_cancer_187", "breast_cancer", 187),
        ("wind_500", "wind", 500),
    ):
        if source in found:
            target, frame = found[source]
            yield name, target, frame.sample(rows, random_state=3).reset_index(drop=True)
    penguins = found["penguins"][1]
    yield "species", "species", penguins
    yield "sex", "sex", penguins[penguins["sex"].isin(["MALE", "FEMALE"])].reset_index(drop=True)
    informative = {"n_informative": 4, "n_redundant": 2, "flip_y": 0.1, "class_sep": 0.7, "random_state": 1}
    for name, (x, y) in (
        ("moons", datasets.make_moons(300, noise=0.3, random_state=0)),
        ("noisy", datasets.make_classification(300, 20, **informative)),
    ):
        frame = pd.DataFrame(x, columns=[f"x{i}" for i in range(x.shape[1])])
        yield name, "y", frame.assign(y=[f"c{label}" for label in y])


def openml_frame(number: str) -> Any:
    """Return one of the OpenML tables that scikit-learn ships with its tests."""
    import pandas as pd
    import sklearn

    folder = Path(sklearn.__file__).parent / "datasets" / "tests" / "data" / "openml" / f"id_{number}"
    text = gzip.decompress(next(folder.glob("data*.arff.gz")).read_bytes()).decode()
    names, rows = [], []
    for line in text.splitlines():
        if line.lower().startswith("@attribute"):
            rest = line[len("@attribute") :].strip()
            mark = rest[0] if rest[0] in "'\"" else None
            names.append(rest[1 : rest.index(mark, 1)] if mark else rest.split()[0])
        elif line.strip() and line[0] not in "%@":
            rows.append(line)
    quote = '"' if any('"' in row for row in rows) else "'"
    read = csv.reader(io.StringIO("\n".join(rows)), quotechar=quote, escapechar="\\", skipinitialspace=True)
    frame = pd.DataFrame(list(read), columns=names).replace({"?": None, "_": None})
    return frame.apply(_numbers_where_possible)


def _numbers_where_possible(column: Any) -> Any:
    import pandas as pd

    try:
        return pd.to_numeric(column)
    except (ValueError, TypeError):
        return column


def shared_tables(data: Path) -> Iterator[tuple[str, str, Any]]:
    """Yield name, target and rows of the tables in the folder of test data."""
    import pandas as pd

    census = pd.read_csv(data / "adult.csv", na_values="?", skipinitialspace=True)
    yield "adult", "income", census
    yield "adult_1000", "income", census.sample(1000, random_state=1).reset_index(drop=True)
    yield "hours", "hours", census
    air = pd.read_csv(data / "beijing_pm25.csv")
    yield "wind", "cbwd", air[air["cbwd"].notna()].reset_index(drop=True)
    known = air[air["pm2.5"].notna()].reset_index(drop=True)
    yield "pm25", "pm2.5", known
    yield "pm25_3000", "pm2.5", known.sample(3000, random_state=1).reset_index(drop=True)
    yield "temperature", "TEMP", air


def prepare(folder: Path, *, data: Path | None, seeds: int, only: set[str]) -> None:
    """Write the training and test rows of each table and seed."""
    from sklearn.model_selection import train_test_split

    found = [*scikit_tables(), *(shared_tables(data) if data else ())]
    found += small_tables({name: (target, frame) for name, target, frame in found})
    for name, target, frame in found:
        if only and name not in only:
            continue
        classes = frame[target].dtype.kind not in "if" or frame[target].nunique() == 2
        for seed in range(seeds):
            by = frame[target] if classes and frame[target].value_counts().min() > 1 else None
            train, test = train_test_split(frame, test_size=TEST_PART, random_state=seed, stratify=by)
            place = folder / name / str(seed)
            place.mkdir(parents=True, exist_ok=True)
            train.to_csv(place / "train.csv", index=False)
            test.to_csv(place / "test.csv", index=False)
        kind = "classes" if classes else "numbers"
        (folder / name / "table.json").write_text(
            json.dumps({"target": target, "kind": kind, "rows": len(frame), "columns": frame.shape[1] - 1})
        )


def peers(folder: Path, *, seeds: int, only: set[str]) -> None:
    """Score LightGBM and a linear model on each table and seed."""
    for name, table in tables_in(folder).items():
        if only and name not in only:
            continue
        for seed in range(seeds):
            train, test = read_split(folder / name / str(seed))
            for peer, fit in (("lightgbm", fit_lightgbm), ("linear", fit_linear)):
                begun = time.perf_counter()
                found = fit(train, test, table, seed)
                keep(folder, name, seed, peer, {**found, "seconds": time.perf_counter() - begun})


def read_split(place: Path) -> tuple[Any, Any]:
    """Return the training and test rows, read alike."""
    import pandas as pd

    train, test = pd.read_csv(place / "train.csv"), pd.read_csv(place / "test.csv")
    for column in train:
        if train[column].dtype.kind == "b":
            train[column], test[column] = train[column].astype(int), test[column].astype(int)
        elif train[column].dtype.kind not in "if":
            known = sorted(train[column].dropna().astype(str).unique())
            for frame in (train, test):
                text = frame[column].astype(str).where(frame[column].notna())
                frame[column] = pd.Categorical(text, categories=known)
    return train, test


def fit_lightgbm(train: Any, test: Any, table: Mapping[str, Any], seed: int) -> dict[str, float]:
    """Train LightGBM with its defaults, and score it on the test rows."""
    import lightgbm
    from sklearn.model_selection import train_test_split

    target, classes = table["target"], table["kind"] == "classes"
    by = train[target] if classes and train[target].value_counts().min() > 1 else None
    rest, held_out = train_test_split(train, test_size=VALIDATION_PART, random_state=seed, stratify=by)
    make = lightgbm.LGBMClassifier if classes else lightgbm.LGBMRegressor
    model = make(verbose=-1, random_state=seed)

    def plain(frame: Any) -> Any:
        # LightGBM refuses some marks in the names of columns.
        features = frame.drop(columns=target)
        return features.set_axis([f"f{index}" for index in range(features.shape[1])], axis=1)

    label = _text_labels if classes else (lambda values: values)
    model.fit(
        plain(rest),
        label(rest[target]),
        eval_set=[(plain(held_out), label(held_out[target]))],
        callbacks=[lightgbm.early_stopping(STOPPING_ROUNDS, verbose=False)],
    )
    if not classes:
        return number_scores(list(test[target]), list(model.predict(plain(test))))
    names = [str(each) for each in model.classes_]
    return class_scores([str(each) for each in test[target]], model.predict_proba(plain(test)).tolist(), names)


def fit_linear(train: Any, test: Any, table: Mapping[str, Any], seed: int) -> dict[str, float]:  # noqa: ARG001
    """Fit a logistic or ridge regression, and score it on the test rows."""
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    target, classes = table["target"], table["kind"] == "classes"
    prepared = make_column_transformer(
        (
            make_pipeline(SimpleImputer(strategy="median"), StandardScaler()),
            make_column_selector(dtype_include="number"),
        ),
        (OneHotEncoder(handle_unknown="ignore", min_frequency=2), make_column_selector(dtype_include="category")),
    )
    model = make_pipeline(prepared, LogisticRegression(max_iter=5000) if classes else Ridge())
    model.fit(train.drop(columns=target), _text_labels(train[target]) if classes else train[target])
    if not classes:
        return number_scores(list(test[target]), list(model.predict(test.drop(columns=target))))
    probabilities = model.predict_proba(test.drop(columns=target)).tolist()
    return class_scores([str(each) for each in test[target]], probabilities, [str(each) for each in model.classes_])


def _text_labels(values: Any) -> Any:
    return values.astype(str)


def run_dlrun(folder: Path, *, seeds: int, only: set[str], overrides: list[str], title: str, folds: int) -> None:
    """Let dlrun write a config, train it or the ensemble of its folds, and predict the test rows, each as a command."""
    for name, table in tables_in(folder).items():
        for seed in range(seeds):
            if only and name not in only:
                continue
            place = folder / name / str(seed)
            work = place / title
            work.mkdir(exist_ok=True)
            (work / "predicted.csv").unlink(missing_ok=True)
            init = ["init", str(work / "made.yaml"), "--data", "../train.csv", "--target", table["target"], "--force"]
            command(work, *init)
            begun = time.perf_counter()
            settings = [f"--set={each}" for each in overrides]
            if folds:
                shutil.rmtree(work / "runs", ignore_errors=True)
                whole = [f"--set=folds={folds}", "--set=dataset.validation=0"]
                command(work, "train", "made.yaml", *settings, *whole)
                command(work, "ensemble", "--folds", next((work / "runs" / "folds").iterdir()).name)
            else:
                command(work, "train", "made.yaml", *settings)
            seconds = time.perf_counter() - begun
            top = ["--top", "all"] if table["kind"] == "classes" else []
            command(work, "predict", "last", "../test.csv", "--output", "predicted.csv", *top)
            with (work / "predicted.csv").open(newline="", encoding="utf-8") as file:
                predicted = list(csv.DictReader(file))
            with (place / "test.csv").open(newline="", encoding="utf-8") as file:
                truth = [row[table["target"]] for row in csv.DictReader(file)]
            found = score_predictions(truth, predicted, table)
            keep(folder, name, seed, title, {**found, "seconds": seconds})
            sys.stderr.write(f"{name} {seed}: {found} in {seconds:.0f} s\n")


def command(work: Path, *arguments: str) -> None:
    """Run dlrun as a process in a folder; an error ends the benchmark with what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "dlrun", *arguments], cwd=work, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"dlrun {' '.join(arguments)} in {work}:\n{done.stderr}")


def score_predictions(truth: list[str], predicted: list[dict[str, str]], table: Mapping[str, Any]) -> dict[str, float]:
    """Score the file that `dlrun predict` wrote."""
    if table["kind"] == "numbers":
        column = list(predicted[0])[1]  # after the name of the row
        return number_scores([float(each) for each in truth], [float(row[column]) for row in predicted])
    prefix = "probability_"
    names = [name.removeprefix(prefix) for name in predicted[0] if name.startswith(prefix)]
    rows = [[float(row[prefix + name]) for name in names] for row in predicted]
    return class_scores(truth, rows, names)


def class_scores(truth: list[str], rows: list[list[float]], names: list[str]) -> dict[str, float]:
    """Return log loss and accuracy, and the area under the ROC curve for two classes.

    Formula:
        log loss = -mean(log(p of the true class)), p clipped at 1e-7
    """
    place = {name: index for index, name in enumerate(names)}
    picked = [row[place[label]] / sum(row) if label in place else 0.0 for label, row in zip(truth, rows, strict=True)]
    loss = -sum(math.log(min(1.0, max(1e-7, each))) for each in picked) / len(picked)
    right = sum(
        max(range(len(row)), key=row.__getitem__) == place.get(label) for label, row in zip(truth, rows, strict=True)
    )
    scores = {"score": loss, "accuracy": right / len(truth)}
    if len(names) == 2:
        scores["auc"] = _area([row[1] for row in rows], [label == names[1] for label in truth])
    return scores


def _area(scores: list[float], positive: list[bool]) -> float:
    """Return the area under the ROC curve by ranks; equal scores have their mean rank."""
    order = sorted(range(len(scores)), key=scores.__getitem__)
    total, start = 0.0, 0
    while start < len(order):
        end = start
        while end < len(order) and scores[order[end]] == scores[order[start]]:
            end += 1
        total += (start + end + 1) / 2 * sum(positive[index] for index in order[start:end])
        start = end
    count = sum(positive)
    return (total - count * (count + 1) / 2) / (count * (len(scores) - count))


def number_scores(truth: list[float], predicted: list[float]) -> dict[str, float]:
    """Return the root mean squared error."""
    squares = [(left - right) ** 2 for left, right in zip(truth, predicted, strict=True)]
    return {"score": math.sqrt(sum(squares) / len(squares))}


def tables_in(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the prepared tables by name, smallest first."""
    found = {path.parent.name: json.loads(path.read_text()) for path in folder.glob("*/table.json")}
    return dict(sorted(found.items(), key=lambda item: item[1]["rows"]))


def keep(folder: Path, name: str, seed: int, title: str, found: Mapping[str, float]) -> None:
    """Write the scores of one contestant."""
    (folder / name / str(seed) / f"{title}.json").write_text(json.dumps(found))


def show(folder: Path, *, title: str, markdown: Path | None) -> None:
    """Print a table of all scores, means over the seeds, and how often dlrun is better."""
    lines = ["| table | rows | columns | score | linear | LightGBM | dlrun | ratio | seconds |", "|---" * 9 + "|"]
    wins = ties = total = 0
    for name, table in tables_in(folder).items():
        means: dict[str, dict[str, float]] = {}
        # Only the seeds that all contestants have.
        seeds = [path.parent for path in sorted(folder.glob(f"{name}/*/{title}.json"))]
        for contestant in ("linear", "lightgbm", title):
            found = [json.loads((place / f"{contestant}.json").read_text()) for place in seeds]
            if found:
                means[contestant] = {key: sum(each[key] for each in found) / len(found) for key in found[0]}
        if title not in means:
            continue
        linear, boosted, own = (means[each]["score"] for each in ("linear", "lightgbm", title))
        total, wins, ties = total + 1, wins + (own < boosted), ties + (own <= 1.03 * min(linear, boosted))
        kind = "log loss" if table["kind"] == "classes" else "RMSE"
        ratio = own / min(linear, boosted)
        lines.append(
            f"| {name} | {table['rows']:,} | {table['columns']} | {kind} | {linear:.4g} | {boosted:.4g} | {own:.4g} "
            f"| {ratio:.3f} | {means[title]['seconds']:.0f} |"
        )
    text = "\n".join(lines)
    text += f"\n\nBetter than LightGBM on {wins} of {total}; within 3 % of the better of both on {ties} of {total}.\n"
    (markdown.write_text(text) if markdown else sys.stdout.write(text))


def main() -> None:
    """Run one of the commands."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("command", choices=["prepare", "peers", "dlrun", "show"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--tables", default="")
    parser.add_argument("--folds", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    parser.add_argument("--as", default="dlrun", dest="title")
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    folder, seeds = options.folder.resolve(), options.seeds
    if options.command in ("prepare", "peers") and importlib.util.find_spec("sklearn") is None:
        raise SystemExit("this command needs scikit-learn, pandas and LightGBM, in an environment of their own")
    only = set(filter(None, options.tables.split(",")))
    commands: dict[str, Callable[[], None]] = {
        "prepare": lambda: prepare(folder, data=options.data, seeds=seeds, only=only),
        "peers": lambda: peers(folder, seeds=seeds, only=only),
        "dlrun": lambda: run_dlrun(
            folder,
            seeds=seeds,
            only=only,
            overrides=options.overrides,
            title=options.title,
            folds=options.folds,
        ),
        "show": lambda: show(folder, title=options.title, markdown=options.markdown),
    }
    commands[options.command]()


if __name__ == "__main__":
    main()
