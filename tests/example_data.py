"""The data that the pages of the documentation work with: small, and quick to learn."""

import csv
import math
import random
import wave
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from pictures import png

_DISTRICTS = {"north": 0, "south": 20_000, "harbour": 60_000, "old town": 40_000}


def write_example_data(folder: Path) -> None:
    """Write a table, class folders of images, texts, a series and arrays."""
    _write_houses(folder)
    _write_reviews(folder)
    _write_power(folder)
    for split, count in (("train", 40), ("test", 10)):
        _write_photos(folder / "photos" / split, count, seed=count)
        (folder / "flowers").mkdir(exist_ok=True)
        (folder / "flowers" / split).symlink_to(folder / "photos" / split)
    _write_shapes(folder / "shapes")
    for split, count in (("train", 12), ("test", 3)):
        _write_tones(folder / "tones" / split, count)
    draw = np.random.default_rng(0)
    x = draw.normal(size=(300, 8)).astype("float32")
    np.savez(folder / "signals.npz", x=x, y=(x[:, 0] + x[:, 1] > 0).astype("int64"))


def _write_tones(folder: Path, count: int) -> None:
    """Write low and high tones of three speakers as WAV files, without a package that may be missing."""
    for label, pitch in (("low", 300), ("high", 1200)):
        (folder / label).mkdir(parents=True)
        for number in range(count):
            draw = np.random.default_rng([pitch, number, count])
            time = np.arange(round(8000 * draw.uniform(0.1, 0.2))) / 8000
            values = 9000 * draw.uniform(0.1, 1) * np.sin(2 * np.pi * pitch * draw.uniform(0.8, 1.3) * time)
            with wave.open(str(folder / label / f"{('ann', 'bob', 'cleo')[number % 3]}_{number:02}.wav"), "wb") as file:
                file.setparams((1, 2, 8000, len(time), "NONE", "NONE"))
                file.writeframes(values.astype("<i2").tobytes())


def _write_houses(folder: Path) -> None:
    draw = random.Random(0)
    names = ["id", "area", "rooms", "built", "district", "garden", "price"]
    rows: list[list[object]] = []
    for number in range(620):
        area = round(draw.uniform(40, 200), 1)
        rooms, built = max(1, round(area / 28 + draw.gauss(0, 0.7))), draw.randint(1920, 2023)
        district, garden = draw.choice(list(_DISTRICTS)), draw.choice(["yes", "no"])
        price = 2300 * area + 9000 * rooms + 400 * (built - 1920) + _DISTRICTS[district] + 15_000 * (garden == "yes")
        known_area = area if draw.random() > 0.03 else ""
        price = round(price + draw.gauss(0, 15_000))
        rows.append([f"H{number:04}", known_area, rooms, built, district, garden, price])
    _write_csv(folder / "houses.csv", names, rows[:600])
    _write_csv(folder / "sold_houses.csv", names, rows[600:])
    _write_csv(folder / "new_houses.csv", names[:-1], [row[:-1] for row in rows[600:]])


def _write_reviews(folder: Path) -> None:
    draw = random.Random(0)
    words = {"positive": ["great", "lovely", "brilliant", "moving"], "negative": ["dull", "awful", "slow", "weak"]}
    parts = (["film", "plot", "cast", "ending"], ["first", "second", "last"], ["evening", "week", "month", "summer"])
    people, verbs = ["the crowd", "my friend", "we", "a critic"], ["agreed", "knew", "noticed", "wrote"]
    rows: list[list[object]] = []
    for _ in range(400):
        label = draw.choice(list(words))
        thing, order, time = map(draw.choice, parts)
        said = f"{draw.choice(people)} {draw.choice(verbs)}"
        rows.append([f"the {thing} of the {order} {time} was {draw.choice(words[label])} and {said}", label])
    _write_csv(folder / "reviews.csv", ["text", "label"], rows)
    (folder / "new_reviews.txt").write_text("a lovely film\nwhat a slow plot\n")


def _write_power(folder: Path) -> None:
    draw = random.Random(0)
    rows: list[list[object]] = []
    for hour in range(720):
        temperature = 10 + 8 * math.sin(2 * math.pi * hour / 24) + draw.gauss(0, 1)
        load = 500 + 120 * math.sin(2 * math.pi * (hour - 6) / 24) - 5 * temperature + draw.gauss(0, 8)
        time = datetime(2024, 1, 1) + timedelta(hours=hour)  # noqa: DTZ001  a log without a time zone
        rows.append([time.strftime("%Y-%m-%d %H:%M"), round(temperature, 1), round(load, 1)])
    _write_csv(folder / "power.csv", ["time", "temperature", "load"], rows)
    _write_csv(folder / "recent_power.csv", ["time", "temperature", "load"], rows[-48:])


def _write_photos(folder: Path, count: int, *, seed: int) -> None:
    draw = np.random.default_rng(seed)
    rows, columns = np.mgrid[:24, :24]
    for kind in ("circle", "cross"):
        (folder / kind).mkdir(parents=True)
        for number in range(count):
            y, x = draw.integers(9, 15, 2)
            ring = abs(np.hypot(rows - y, columns - x) - 6) < 1.5
            bars = (abs(rows - y) < 1.5) | (abs(columns - x) < 1.5)
            pixels = draw.uniform(0, 100, (24, 24, 3))
            pixels[ring if kind == "circle" else bars] = draw.uniform(150, 255, 3)
            (folder / kind / f"{kind}_{number:03}.png").write_bytes(png(pixels.astype("uint8")))


def _write_shapes(folder: Path) -> None:
    """Write discs and boxes with the mask of each image."""
    draw = np.random.default_rng(0)
    rows, columns = np.mgrid[:32, :32]
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number in range(60):
        mask = np.zeros((32, 32, 1), np.uint8)
        for shape in draw.integers(1, 3, size=2):
            y, x = draw.integers(8, 24, 2)
            disc, box = np.hypot(rows - y, columns - x) < 6, (abs(rows - y) < 5) & (abs(columns - x) < 5)
            mask[disc if shape == 1 else box] = shape
        pixels = draw.uniform(0, 100, (32, 32, 3)) + 60 * (mask > 0)
        (folder / "images" / f"{number:03}.png").write_bytes(png(pixels.astype("uint8")))
        (folder / "masks" / f"{number:03}.png").write_bytes(png(mask))


def _write_csv(path: Path, names: list[str], rows: list[list[object]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([names, *rows])
