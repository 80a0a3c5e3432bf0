"""A folder as tensorflow-datasets prepares it, and a cache of each test's own."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from column_tables import Write

FEATURE = "tensorflow_datasets.core.features"
IMAGE_AND_LABEL = {
    "image": {
        "pythonClassName": f"{FEATURE}.image_feature.Image",
        "image": {"dtype": "uint8", "shape": {"dimensions": ["8", "8", "3"]}},
    },
    "label": {
        "pythonClassName": f"{FEATURE}.class_label_feature.ClassLabel",
        "classLabel": {"numClasses": "4"},
    },
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder, of which the user's own knows nothing."""
    monkeypatch.setenv("DLRUN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def make(tmp_path: Path) -> Any:
    """Writes a prepared folder whose files have the right sizes, with nothing in them that could be decoded."""

    def make_folder(
        where: str,
        features: Mapping[str, Any] | None = None,
        *,
        splits: Mapping[str, int] | None = None,
        supervised: tuple[str, ...] = (),
        **info: Any,
    ) -> Path:
        folder = tmp_path / "sets" / where
        folder.mkdir(parents=True)
        stored = []
        for name, examples in (splits or {"train": 20, "test": 5}).items():
            # A record is framed by 16 bytes.
            (folder / f"tiny-{name}.tfrecord-00000-of-00001").write_bytes(bytes(examples * (10 + 16)))
            stored.append({"name": name, "numBytes": str(examples * 10), "shardLengths": [str(examples)]})
        described = {"name": "tiny", "version": folder.name, "fileFormat": "tfrecord", "splits": stored, **info}
        if supervised:
            described["supervisedKeys"] = {"tuple": {"items": [{"featureKey": key} for key in supervised]}}
        (folder / "dataset_info.json").write_text(json.dumps(described), "utf-8")
        features_json = {"featuresDict": {"features": features or IMAGE_AND_LABEL}}
        (folder / "features.json").write_text(json.dumps(features_json), "utf-8")
        return folder

    return make_folder


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write text, or bytes, to a file and give its path."""

    def write_file(content: str | bytes, name: str = "table.csv", encoding: str = "utf-8") -> str:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return str(path)

    return write_file
