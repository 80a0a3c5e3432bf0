import os
import pickle
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from dlrun.batching.backends.on_ray.probe import Question, answer_question
from dlrun.runs.provenance.machine import versions
from dlrun.runs.provenance.trust import answer_challenge
from dlrun.spec.identity import own_source


@pytest.fixture
def question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Question:
    monkeypatch.setenv("DLRUN_STATE", str(tmp_path / "state"))
    (tmp_path / "token").write_text("abc")
    (tmp_path / "small.yaml").write_text("seed: 0\n")
    files = (("small.yaml", sha256(b"seed: 0\n").hexdigest()),)
    return Question((str(tmp_path / "token"), "abc"), str(tmp_path), files, (), "sign me")


def test_this_machine_answers_that_it_is_like_itself(question: Question, tmp_path: Path) -> None:
    found = answer_question(question)
    assert (found["versions"], found["source"]) == (versions(), own_source())
    assert (found["storage"], found["scratch"], found["files"]) == ("", "", [])
    assert found["secret"] == answer_challenge("sign me") != ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small.yaml", "state", "token"]


def test_another_folder_and_other_files_are_noticed(question: Question, tmp_path: Path) -> None:
    assert answer_question(replace(question, token=("/nowhere/token", "abc")))["storage"] == "does not see it"
    other = replace(question, token=(question.token[0], "abd"))
    assert answer_question(other)["storage"] == "sees another folder of this name"
    (tmp_path / "small.yaml").write_text("seed: 1\n")
    assert answer_question(question)["files"] == ["small.yaml"]
    assert answer_question(replace(question, folder="/nowhere"))["files"] == ["small.yaml"]


def test_the_environment_counts_before_the_secret_is_read(
    question: Question, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLRUN_STATE", str(tmp_path / "elsewhere"))
    mine = answer_challenge("sign me")
    there = answer_question(replace(question, environment=(("DLRUN_STATE", str(tmp_path / "state")),)))
    assert there["secret"] not in ("", mine)


def test_a_node_without_dlrun_can_be_asked_too(question: Question, tmp_path: Path) -> None:
    cloudpickle = pytest.importorskip("ray.cloudpickle", reason="needs the extra `ray`")
    from dlrun.batching.backends.on_ray import probe

    cloudpickle.register_pickle_by_value(probe)
    try:
        (tmp_path / "sent").write_bytes(cloudpickle.dumps((answer_question, question)))
    finally:
        cloudpickle.unregister_pickle_by_value(probe)
    code = "import pickle, sys; sys.modules['dlrun'] = None; ask, it = pickle.load(open('sent', 'rb')); print(ask(it))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert "'missing'" in done.stdout
    assert "'storage': ''" in done.stdout
    assert pickle.__name__ in code
