"""Texts from files of every kind, in every encoding, and what is said of those that cannot be read."""

import gzip
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.data.files.encoding import Detected, detect_encoding
from dlrun.data.text import corpus, vectorize
from dlrun.data.text import source as text_module
from dlrun.data.text import tokens as cut
from dlrun.data.text.input import TextInput
from dlrun.data.text.source import Text
from dlrun.errors import DataError, SpecError
from dlrun.signature import Features, Target
from dlrun.spec.parse import read_spec

ROWS = (
    ("Good, old cat", "yes"),
    ('a "quoted"\nline', "no"),
    ("", "yes"),
    ("gut schön 猫 👍", "no"),
    ("bad dog", "no"),
    ("good good dog", "yes"),
)


def _csv(rows: Any = ROWS, *, mark: str = ",") -> str:
    import csv

    stream = io.StringIO()
    csv.writer(stream, delimiter=mark).writerows([("text", "label"), *rows])
    return stream.getvalue()


def _load(path: Path, **keys: Any) -> Any:
    return Text.model_validate({"path": str(path), "vocabulary_size": 20, **keys}).load()


def _texts(dataset: Any, split: str = "train") -> list[str]:
    return list(dataset.splits[split].origins)


def _written(tmp_path: Path, kind: str) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / f"texts{kind}"
    match kind:
        case ".csv":
            path.write_text(_csv(), "utf-8", newline="")
        case ".csv.gz":
            path.write_bytes(gzip.compress(_csv().encode()))
        case ".tsv":
            path.write_text(_csv(mark="\t"), "utf-8", newline="")
        case ".jsonl":
            path.write_text("".join(json.dumps({"text": t, "label": n}) + "\n\n" for t, n in ROWS), "utf-8")
        case ".parquet":
            table = {"text": [t for t, _ in ROWS], "label": pa.array([n for _, n in ROWS]).dictionary_encode()}
            pq.write_table(pa.table(table), path)
        case _:
            for index, (said, name) in enumerate(ROWS):
                file = path / name / f"{index}.txt"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(said, "utf-8")
    return path


@pytest.mark.parametrize("kind", [".csv", ".csv.gz", ".tsv", ".jsonl", ".parquet", ""])
def test_every_kind_of_file_gives_the_same_texts_and_classes(kind: str, tmp_path: Path) -> None:
    dataset = _load(_written(tmp_path, kind), sequence_length=4)
    train = dataset.splits["train"]
    assert dataset.target == Target("classes", 2, ("no", "yes"))
    assert dataset.features == Features("tokens", (4,), 20)
    found = {text: (tuple(ids), dataset.target.class_names[label]) for text, ids, label in _rows(dataset)}
    assert {text: name for text, (_, name) in found.items()} == dict(ROWS)
    good, dog = (2 + dataset.raw.vocabulary.index(word) for word in ("good", "dog"))
    assert found["good good dog"][0] == (good, good, dog, 0)
    assert found[""][0] == (1, 0, 0, 0)
    assert train.features.dtype == np.int32
    assert any(note.startswith("empty: 1 texts") for note in dataset.notes)


def _rows(dataset: Any) -> Any:
    train = dataset.splits["train"]
    return zip(train.origins, train.features.tolist(), train.target, strict=True)


@pytest.mark.parametrize(
    ("name", "bom", "told"),
    [
        ("utf-8", b"", ""),
        ("utf-8", b"\xef\xbb\xbf", ""),
        ("utf-16-le", b"\xff\xfe", "utf-16"),
        ("utf-16-be", b"\xfe\xff", "utf-16"),
        ("utf-16-le", b"", "utf-16-le"),
        ("cp1252", b"", "cp1252"),
    ],
)
def test_the_encoding_is_told_from_the_bytes(name: str, bom: bytes, told: str, tmp_path: Path) -> None:
    rows = [("fine", "1"), ("schön é", "2"), ("naïve", "1")]
    path = tmp_path / "texts.csv"
    path.write_bytes(bom + _csv(rows).encode(name))
    dataset = _load(path)
    assert _texts(dataset) == [text for text, _ in rows]
    assert bool(told) == any(f"encoding: {told}" in note for note in dataset.notes if told)
    jsonl = tmp_path / "texts.jsonl"
    jsonl.write_bytes(bom + "".join(f'{{"text": "{t}", "label": {n}}}\n' for t, n in rows).encode(name))
    assert _texts(_load(jsonl)) == [text for text, _ in rows]


def test_labels_that_are_numbers_are_classes_in_their_order_or_values(tmp_path: Path) -> None:
    path = tmp_path / "stars.csv"
    path.write_text(_csv([(f"t{i}", str(stars)) for i, stars in enumerate((10, 9, 10, 2))]))
    assert _load(path).target.class_names == ("2", "9", "10")
    value = _load(path, task="regression")
    assert value.target.kind == "values"
    assert value.target.mean == (7.75,)
    assert value.splits["train"].target.tolist() == [10, 9, 10, 2]
    path.write_text(_csv([("a", "1.5"), ("b", "2"), ("c", "1e1")]))
    assert _load(path).target.kind == "values"
    floats = tmp_path / "floats.jsonl"
    floats.write_text('{"text": "a", "label": 1.0}\n{"text": "b", "label": 0}\n{"text": "c", "label": 1}\n')
    assert _load(floats).target.class_names == ("0", "1")
    path.write_text(_csv([("a", "true"), ("b", "false")]))
    assert _load(path).target.class_names == ("false", "true")


def test_splits_come_from_folders_paths_or_are_held_out(tmp_path: Path) -> None:
    for split in ("train", "test", "val"):
        for name in ("pos", "neg"):
            folder = tmp_path / "reviews" / split / name
            folder.mkdir(parents=True)
            for index in range(3):
                (folder / f"{index}.txt").write_text(f"{split} {name} {index}")
            (folder / "notes.md").write_text("no text")
            (folder / ".hidden.txt").write_text("hidden")
    (tmp_path / "reviews" / "train" / "mixed").mkdir()
    dataset = _load(tmp_path / "reviews")
    left_out = [note for note in dataset.notes if note.startswith("left out: ")]
    assert len(left_out) == 4
    assert left_out[0].endswith("that are not .txt files: neg/notes.md, pos/notes.md")
    assert left_out[1].endswith("without a .txt file, which are not classes: mixed")
    assert {name: len(split) for name, split in dataset.splits.items()} == {"train": 6, "validation": 6, "test": 6}
    assert dataset.raw.vocabulary[:4] == ("train", "neg", "pos", "0")
    assert "test" not in dataset.raw.vocabulary
    path = _written(tmp_path, ".csv")
    held_out = _load(path, test=2, validation=0.25, sequence_length=3)
    assert {name: len(split) for name, split in held_out.splits.items()} == {"train": 3, "validation": 1, "test": 2}
    for split in held_out.splits.values():
        names = [held_out.target.class_names[label] for label in split.target]
        assert [dict(ROWS)[text] for text in split.origins] == names
        assert [[*held_out.raw.encoder()(text), 0, 0, 0][:3] for text in split.origins] == split.features.tolist()
    assert held_out.fingerprint == _load(path, test=2, validation=0.25, sequence_length=3).fingerprint
    assert held_out.fingerprint != _load(path, test=2, validation=0.25, sequence_length=3, seed=1).fingerprint
    other = _load(path, test_path=str(path), validation="test")
    assert (other.splits["test"].features == other.splits["train"].features).all()
    assert other.splits["validation"] is other.splits["test"]


def test_the_vocabulary_and_the_length_are_those_of_the_training_texts_alone(tmp_path: Path) -> None:
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    train.write_text(_csv([("one two", "a"), ("one", "b")]))
    test.write_text(_csv([("three three three three", "a")]))
    dataset = _load(train, test_path=str(test))
    assert dataset.raw.vocabulary == ("one", "two")
    assert dataset.splits["test"].features.tolist() == [[1, 1]]


def test_a_pattern_names_several_files_and_classes_choose_among_labels(tmp_path: Path) -> None:
    for index, (text, label) in enumerate(ROWS):
        (tmp_path / f"part-{index}.csv").write_text(_csv([(text, label), ("left out", "other")]), "utf-8", newline="")
    dataset = _load(tmp_path / "part-*.csv", classes=("yes", "no"))
    assert _texts(dataset) == [text for text, _ in ROWS]
    assert dataset.target.class_names == ("yes", "no")
    assert dataset.splits["train"].target.tolist() == [0, 1, 0, 1, 1, 0]


def test_long_texts_are_cut_and_told_and_a_bag_counts_them_whole(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text(_csv([("word " * 10_000 + "end", "a"), ("short", "b")]))
    dataset = _load(path)
    assert dataset.features.shape == (500,)
    assert any("10,001" in note for note in dataset.notes)
    bag = _load(path, output_mode="count")
    assert bag.features == Features("vector", (20,))
    end = 2 + bag.raw.vocabulary.index("end")
    assert bag.splits["train"].features[0, -1] == end
    assert bag.preprocess.raw_shape == (10_001,)


def test_many_texts_are_read_in_passes_into_files_and_give_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    path = _written(tmp_path, ".csv")
    small = _load(path, test=2, validation=1)
    for module, limit in ((text_module, "_DESCRIBED_BYTES"), (corpus, "_KEPT_BYTES"), (vectorize, "_IN_MEMORY_BYTES")):
        monkeypatch.setattr(module, limit, 0)
    monkeypatch.setattr(vectorize, "_DROPPED_EVERY", 1)
    large = _load(path, test=2, validation=1)
    assert isinstance(large.splits["train"].features, np.memmap)
    assert large.fingerprint == small.fingerprint
    assert list((cache / "scratch").iterdir()) == []


def test_random_strings_without_number_do_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cut, "_MOST_COUNTED", 50)
    path = tmp_path / "hashes.csv"
    path.write_text(_csv([(f"common x{i:03} y{i:03}", "ab"[i % 2]) for i in range(200)]))
    dataset = _load(path)
    assert dataset.raw.vocabulary[0] == "common"
    assert any("the rarest are not counted" in note for note in dataset.notes)


def test_described_and_loaded_are_the_same(tmp_path: Path) -> None:
    source = Text(path=str(_written(tmp_path, ".csv")), test=2)
    described, loaded = source.describe(), source.load()
    assert described is not None
    assert (described.features, described.target) == (loaded.features, loaded.target)
    assert described.examples == {"train": 4, "test": 2}
    assert Text(path=str(tmp_path / "absent.csv")).describe() is None


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    path = _written(tmp_path, ".csv")
    first = _load(path)
    assert _load(path) is first
    path.write_text(_csv([*ROWS, ("more", "yes")]), "utf-8", newline="")
    assert len(_load(path).splits["train"]) == 7


BROKEN = [
    ("a.csv", b"", "a.csv has no lines"),
    ("a.csv", b"text,label\nfine,a\nno label,\n", "a.csv:3: the label is missing"),
    ("a.csv", b"text,label\nfine,a\na,b,c\n", "a.csv:3 (row 2) has 3 values"),
    ("a.csv", b"text,label\nonly\n", "a.csv:2 (row 1) has 1 value:"),
    ("a.csv", b'text,label\nx,a\n"never closed,a\nmore,b\n', "a.csv:3: the row that begins here"),
    ("a.csv", b'text,label\n"ab"c,a\n', "a.csv:2: the row that begins here"),
    ("a.csv", b"text,label\n", "no text to train on"),
    ("a.csv", b"text,label\nx,a\ny,a\n", "every training text has the label 'a'"),
    ("a.csv", b"text,label\n,a\n!,b\n", "no training text contains words"),
    ("a.csv", b"\x00\x01\x00\x00\x00\x00\x00\x02" * 40, "contains zero bytes"),
    ("a.csv.gz", b"\x1f\x8b\x08\x00truncated", "cannot be read"),
    ("a.jsonl", b'{"text": "a", "label": 1}\n{"txet": "b", "label": 0}\n', "a.jsonl:2: the object has no key 'text'"),
    ("a.jsonl", b'{"text": "a", "label": 1}\n{"text": "b"}\n', "a.jsonl:2: the object has no key 'label'"),
    ("a.jsonl", b'{"text": "a", "label": null}\n', "a.jsonl:1: the label is missing"),
    ("a.jsonl", b'{"text": "a", "label": [1]}\n', "a.jsonl:1: the label is [1]"),
    ("a.jsonl", b'{"text": 5, "label": 1}\n', "a.jsonl:1: the text is 5"),
    ("a.jsonl", b'{"text": "a", "label": 1}\n{"text": "b"\n', "a.jsonl:2: the line is not JSON"),
    ("a.jsonl", b'{"a":' * 100_000, "a.jsonl:1: the line is not JSON"),
    ("a.json", b'[{"text": "a", "label": 1}]\n', "a.json is a JSON array"),
    ("a.jsonl", b"", "no text to train on"),
    ("a.parquet", b"PAR1 is no parquet PAR1", "cannot be read"),
    ("a.txt", b"one\ntwo\n", "has no labels"),
    ("a.docx", b"PK", "is not a supported type of text file"),
]


@pytest.mark.parametrize(("name", "content", "said"), BROKEN)
def test_a_broken_file_is_told_with_its_place(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as raised:
        _load(path)
    assert said in str(raised.value)
    assert raised.value.expected
    assert str(tmp_path) in str(raised.value) or "train" in said


def test_what_is_no_file_of_texts_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "a.txt").write_text("x")
    for path, said in (
        ("absent.csv", "there is no file"),
        ("*.csv", "no file matches"),
        ("empty", "contains no .txt file"),
        ("flat", "is not in a class folder"),
    ):
        with pytest.raises(DataError, match=said):
            _load(tmp_path / path)


def test_a_quote_that_is_never_closed_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("files.dialect", "files.encoding", "text.folders"):
        monkeypatch.setattr(f"dlrun.data.{module}.LONGEST_TEXT", 1000)
    path = tmp_path / "a.csv"
    path.write_text('text,label\n"open,a\n' + "x,b\n" * 2000)
    with pytest.raises(DataError, match=r"a.csv:2: the row that begins here"):
        _load(path)
    path.write_text("text,label\nx,a\n" + "y" * 1500)
    with pytest.raises(DataError, match=r"a.csv:3: the line has more"):
        _load(path)
    folder = _written(tmp_path, "")
    (folder / "no" / "long.txt").write_text("z" * 1001)
    with pytest.raises(DataError, match=r"long.txt has more than 1,000"):
        _load(folder)


def test_quotes_are_letters_where_the_spec_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text('text\tlabel\n"half quoted\ta\nb\tb\n')
    assert _texts(_load(path, quoted=False)) == ['"half quoted', "b"]


def test_a_test_label_that_training_does_not_know_is_told(tmp_path: Path) -> None:
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    train.write_text(_csv([("a", "cat"), ("b", "dog")]))
    test.write_text(_csv([("a", "cat"), ("b", "dgo")]))
    with pytest.raises(DataError, match=r"test.csv:3: the label is 'dgo'[\s\S]*did you mean 'dog'"):
        _load(train, test_path=str(test))


def test_predictions_read_labels_only_where_they_are_asked_for(tmp_path: Path) -> None:
    dataset = _load(_written(tmp_path, ".csv"))
    raw: TextInput = dataset.raw
    path = tmp_path / "new.csv"
    path.write_text("id,text\n7,good cat\n8,\n")
    (examples,) = raw.read(str(path), at_once=10)
    assert list(examples.names) == ["line 2", "line 3"]
    assert examples.origin == ("good cat", "")
    assert examples.target is None
    with pytest.raises(DataError, match="has no column 'label'"):
        list(raw.read(str(path), at_once=10, target=dataset.target))
    path.write_text("label,text\nyes,a\nno,b\nmaybe,c\n")
    with pytest.raises(DataError, match=r"new.csv:4: the label is 'maybe'"):
        list(raw.read(str(path), at_once=10, target=dataset.target))
    labelled = next(raw.read(str(path), at_once=2, target=dataset.target))
    assert labelled.target is not None
    assert labelled.target.tolist() == [1, 0]
    values = Target("values", 1, encoding="value")
    path.write_text("label,text\n1.5,a\n-2,b\n")
    (numbers,) = raw.read(str(path), at_once=2, target=values)
    assert numbers.target is not None
    assert numbers.target.tolist() == [1.5, -2]


def test_lines_of_a_file_and_of_standard_input_and_files_of_a_folder_are_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw: TextInput = _load(_written(tmp_path, ".csv")).raw
    path = tmp_path / "lines.txt"
    path.write_bytes("good\r\n\r\nschön".encode())
    (examples,) = raw.read(str(path), at_once=10)
    assert examples.origin == ("good", "", "schön")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\ufeffgut\nbad\n".encode())))
    batches = list(raw.read("-", at_once=1))
    assert [batch.origin for batch in batches] == [("gut",), ("bad",)]
    folder = tmp_path / "new"
    (folder / "deep").mkdir(parents=True)
    (folder / "b.txt").write_text("x")
    (folder / "deep" / "a.txt").write_text("y\nz")
    (found,) = raw.read(str(folder), at_once=10)
    assert list(found.names) == ["b.txt", "deep/a.txt"]
    assert found.origin == ("x", "y\nz")


def test_one_bad_byte_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"text,label\nx,a\ncaf\xe9,b\n")
    assert detect_encoding(str(path)) == Detected("encoding", "cp1252", "because line 3 is not UTF-8")
    with pytest.raises(DataError, match=r"a.csv:3 is not encoded in ascii"):
        _load(path, encoding="ascii")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    with pytest.raises(DataError, match=r"a.csv:3 is not encoded in utf-8-sig"):
        _load(path)


def test_a_model_that_takes_no_token_ids_is_told_how_to_get_a_vector(tmp_path: Path) -> None:
    config = tmp_path / "a.yaml"
    config.write_text(
        f"dataset: {{type: text, path: {_written(tmp_path, '.csv')}}}\nmodel: {{type: mlp, units: [3]}}\n"
    )
    loss = "loss=sparse_categorical_crossentropy"
    with pytest.raises(SpecError, match=r"does not accept tokens[\s\S]*hint: --set dataset.output_mode=multi_hot"):
        read_spec(config, (loss,))
    assert read_spec(config, (loss, "dataset.output_mode=multi_hot")).spec.model.type_name == "mlp"
    recurrent = "model={type: gru, units: [3], embedding_size: 2}"
    with pytest.raises(SpecError, match=r"hint: --set dataset.output_mode=int"):
        read_spec(config, (loss, "dataset.output_mode=count", recurrent))


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ({}, ()),
        ({"path": "texts.csv", "builtin": "moods"}, ("builtin",)),
        ({"path": "texts.csv", "text": "txt"}, ("text",)),
        ({"path": "texts.csv", "label": "labels"}, ("label",)),
        ({"path": "texts.csv", "label": "text"}, ("label",)),
        ({"path": "texts.csv", "test": 0.1, "test_path": "b.csv"}, ("test",)),
        ({"path": "texts.csv", "validation": 0.1, "validation_path": "b.csv"}, ("validation",)),
        ({"path": "texts.csv", "task": "regression", "classes": ("a", "b")}, ("classes",)),
        ({"path": "texts", "text": "review"}, ("text",)),
    ],
)
def test_mistakes_of_a_spec_have_their_place(
    keys: dict[str, Any], key: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _written(tmp_path, ".csv")
    _written(tmp_path, "")
    (problem,) = Text.model_validate(keys).problems()
    assert problem.path == key
    assert problem.expected


def test_generated_texts_are_those_of_their_seed() -> None:
    first = Text(builtin="moods", sequence_length=10, test=0.2).load()
    assert first.target == Target("classes", 3, ("negative", "neutral", "positive"))
    assert {name: len(split) for name, split in first.splits.items()} == {"train": 2400, "test": 600}
    assert max(len(text.split()) for text in _texts(first)) == 10
    assert first.fingerprint == Text(builtin="moods", sequence_length=10, test=0.2).load().fingerprint
    assert first.fingerprint != Text(builtin="moods", sequence_length=10, test=0.2, seed=1).load().fingerprint


@pytest.mark.soak
def test_the_memory_for_many_texts_does_not_grow_with_them(tmp_path: Path) -> None:
    path = tmp_path / "many.csv"
    with path.open("w", newline="") as stream:
        stream.write("text,label\n")
        for number in range(700_000):
            stream.write(f'"{" ".join(f"word{number * k % 50_021}" for k in range(1, 16))}",{"ab"[number % 2]}\n')
    code = (
        "import resource; from dlrun.data.text.source import Text; "
        f"print(len(Text(path={str(path)!r}, test=0.1, sequence_length=200).load().splits['train'])); "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    examples, kilobytes = map(int, done.stdout.split())
    assert examples == 630_000
    assert kilobytes < 300_000  # its ids alone are 560 MB


def test_columns_to_slice_by_belong_to_the_texts_of_their_rows(tmp_path: Path) -> None:
    rows = [f"film number {n} is {('dull', 'fine')[n % 2]},{('no', 'yes')[n % 2]},s{n % 3},{n}" for n in range(60)]
    (tmp_path / "x.csv").write_text("text,label,source,n\n" + "\n".join(rows) + "\n")
    (tmp_path / "test.csv").write_text("text,label,source,n\nfilm number 99 is fine,yes,,99\n")
    given = {"path": str(tmp_path / "x.csv"), "test_path": str(tmp_path / "test.csv"), "validation": 0.3}
    dataset = Text.model_validate(given)
    splits = dataset.load().splits
    values = dataset.read_slice_values(("source", "n"), splits)
    for name, split in splits.items():
        assert split.origins is not None
        assert [f"film number {n:.0f} is" for n in values[name]["n"]] == [text[:-5] for text in split.origins]
    assert values["test"]["source"].tolist() == [""]
    (problem,) = dataset.slicing_problems(("n", "sorce"))
    assert (problem.path, problem.hint) == ((1,), "did you mean 'source'?")
    (tmp_path / "lines").mkdir()
    (tmp_path / "lines" / "a").mkdir()
    (tmp_path / "lines" / "b").mkdir()
    (tmp_path / "lines" / "a" / "x.txt").write_text("a text")
    (tmp_path / "lines" / "b" / "x.txt").write_text("a text")
    (problem,) = Text.model_validate({"path": str(tmp_path / "lines")}).slicing_problems(("n",))
    assert "because they have no columns" in problem.what
