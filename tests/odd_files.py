"""Small files as newcomers have them: semicolons, decimal commas, gaps, odd names, lines of JSON, arrays, pictures."""

import datetime as dt
import json
from pathlib import Path

import numpy as np

from dlrun.init_config.draft import Wishes
from pictures import write_classes

ROWS = 120
RANDOM = np.random.default_rng(0)


def write_odd_files(folder: Path) -> dict[str, tuple[str, Wishes]]:
    """Every file by a name for it, and what the user says of it."""
    x = RANDOM.normal(size=(ROWS, 3))
    rows = range(ROWS)
    comma = [[f"{value:.3f}".replace(".", ",") for value in row] for row in x]
    odd = ['yes;"it\'s: a ""q""";null;price in €;#id']
    odd += [
        f"{['anna', 'bob', 'zoë'][i % 3]};{comma[i][0]};{'ja' if i % 2 else 'nein'};{comma[i][2]};{i}" for i in rows
    ]
    three = ["class,width,height,note"]
    three += [f"{'abc'[i % 3]},{i % 3 + x[i, 0]:.3f},{'unknown' if i % 40 == 7 else f'{x[i, 1]:.3f}'},x" for i in rows]
    gaps = ["a,b,outcome", *(f"{x[i, 0]:.3f},{x[i, 1]:.3f},{'' if i % 20 == 0 else i % 2}" for i in rows)]
    tweets = [{"id": i, "body": f"a {'fine' if i % 2 else 'sad'} film it was {i}", "liked": i % 2 == 1} for i in rows]
    scores = [{"review": "good " * (i % 5) + "word film nice to see", "score": i % 5 / 2 + 0.1} for i in rows]
    begin = dt.date(2020, 1, 1)
    days = ["Date,Open,Volume", *(f"{begin + dt.timedelta(i)},{100 + i + x[i, 0]:.2f},{1000 + i}" for i in rows)]
    few = ["a,label", *(f"{i},{'xy'[i % 2]}" for i in range(12))]
    lines = {"odd.csv": odd, "three.csv": three, "gaps.csv": gaps, "days.csv": days, "few.csv": few}
    lines |= {"tweets.jsonl": [*map(json.dumps, tweets)], "scores.jsonl": [*map(json.dumps, scores)]}
    for name, content in lines.items():
        (folder / name).write_text("\n".join(content) + "\n", encoding="utf-8")
    np.savez(folder / "named.npz", measurements=x.astype(np.float32), outcome=(x[:, 0] > 0).astype(np.int64))
    sequences = RANDOM.normal(size=(60, 8, 2)).astype(np.float32)
    np.savez(
        folder / "steps.npz", x_train=sequences, y_train=sequences[:, 0, 0], x_test=sequences, y_test=sequences[:, 0, 0]
    )
    write_classes(folder / "pets", count=15, side=24)
    for label in ("good", "bad"):
        (folder / "mails" / label).mkdir(parents=True)
        for i in range(20):
            (folder / "mails" / label / f"{i}.txt").write_text(f"{label} news number {i}")
    said = {"days.csv": Wishes(horizon=3)}
    names = [*lines, "named.npz", "steps.npz", "pets", "mails"]
    return {name: (str(folder / name), said.get(name, Wishes())) for name in names}
