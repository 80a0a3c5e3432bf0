import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dlrun.batching.backends.backend import LOCAL, BackendRequest
from dlrun.batching.backends.on_ray.nodes import Answers, question_for, token_written, travelling_environment
from dlrun.batching.backends.on_ray.probe import answer_question
from dlrun.errors import RunError


@pytest.fixture
def request_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BackendRequest:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLRUN_STATE", str(tmp_path / "state"))
    (tmp_path / "small.yaml").write_text("seed: 0\n")
    return BackendRequest(LOCAL, (), (Path("small.yaml"),), runs_dir=Path("runs"))


@pytest.fixture
def answers(request_here: BackendRequest) -> Answers:
    """Two nodes that are as they should be."""
    with token_written(request_here.runs_dir) as token:
        question = question_for(request_here, token, travels=False)
        found = answer_question(question)
    return Answers(question, [{**found, "node": "a"}, {**found, "node": "b"}], [0.0, -0.5])


def with_node(answers: Answers, **changes: Any) -> Answers:
    return replace(answers, nodes=[answers.nodes[0], {**answers.nodes[1], **changes}])


def test_nodes_like_this_machine_are_accepted(answers: Answers, request_here: BackendRequest) -> None:
    answers.check(request_here)
    assert not answers.strangers()
    assert not answers.wrong_clocks()
    assert not [*Path("runs/.batches").iterdir()]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"storage": "does not see it"}, "/runs, but b does not see it"),
        ({"scratch": "No space left on device"}, r"temporary files on b \(No space left"),
        ({"secret": "another"}, "the secret that signs your runs is not the same on b"),
        ({"missing": "No module named 'dlrun'"}, "cannot import dlrun .* on b"),
        ({"source": "another"}, "other sources of dlrun .* on b"),
    ],
)
def test_a_node_that_differs_is_named(
    answers: Answers, request_here: BackendRequest, changes: dict[str, Any], text: str
) -> None:
    with pytest.raises(RunError, match=text):
        with_node(answers, **changes).check(request_here)


def test_all_versions_that_differ_are_one_error(answers: Answers, request_here: BackendRequest) -> None:
    theirs = {**answers.nodes[1]["versions"], "python": "3.12.0", "tensorflow": "2.20.0"}
    del theirs["keras"]
    with pytest.raises(RunError) as error:
        with_node(answers, versions=theirs).check(request_here)
    for part in ("python 3.12.0 instead of 3.", "tensorflow 2.20.0 instead of", "no keras on b"):
        assert part in error.value.what


def test_clocks_and_files_that_differ_are_named(answers: Answers) -> None:
    assert replace(answers, offsets=[1.0, 3600.2]).wrong_clocks() == ["b (+3600 s)"]
    assert with_node(answers, files=["small.yaml"]).strangers() == ["b (small.yaml)"]


def test_tokens_that_killed_drivers_have_left_go_after_a_day(request_here: BackendRequest) -> None:
    folder = request_here.runs_dir / ".batches"
    folder.mkdir(parents=True)
    for name, age in (("old", 100_000), ("new", 10)):
        (folder / f".seen-{name}").touch()
        os.utime(folder / f".seen-{name}", (time.time() - age, time.time() - age))
    with token_written(request_here.runs_dir) as (path, content):
        assert Path(path).read_text() == content
        assert len([*folder.iterdir()]) == 2
    assert [each.name for each in folder.iterdir()] == [".seen-new"]


def test_what_changes_results_goes_along_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("DLRUN_STATE", "/shared")
    assert travelling_environment() == (("DLRUN_STATE", "/shared"), ("TF_ENABLE_ONEDNN_OPTS", "0"))
