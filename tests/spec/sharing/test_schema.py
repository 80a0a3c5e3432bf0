"""The JSON Schema of configs that share, by itself and in a language server for YAML."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dlrun.spec.schema import json_schema

SERVER = os.environ.get("DLRUN_YAML_LANGUAGE_SERVER", "")
"""The program of npm's package yaml-language-server."""
WHOLE = {"dataset": {"type": "builtin", "name": "digits"}, "model": "linear", "loss": "hinge"}


@pytest.fixture(scope="module")
def validator() -> Any:
    return jsonschema.Draft202012Validator(json_schema())


@pytest.mark.parametrize(
    "config",
    [
        {"base": "a.yaml"},
        {"base": ["a.yaml", "b.yaml"], "model": {"units": [3]}, "dataset": {"type": "table", "target": "y"}},
        WHOLE | {"variables": {"n": 3, "name": "x"}, "training": {"epochs": "${n}", "precision": "${p}"}},
        WHOLE | {"model": {"type": "mlp", "units": ["${n}", "${n // 2}"], "activation": "${a}", "dropout": "${d}"}},
        WHOLE | {"training": {"early_stopping": {"patience_epochs": "${n}"}, "tensorboard": "${t}"}},
    ],
)
def test_bases_and_variables_satisfy_the_schema(config: dict[str, Any], validator: Any) -> None:
    validator.validate(config)


@pytest.mark.parametrize(
    "config",
    [
        {"model": {"units": [3]}},
        {"base": 3},
        {"base": "a.yaml", "training": {"epocs": 3}},
        {"base": "a.yaml", "training": {"epochs": "three"}},
        {"base": "a.yaml", "model": {"type": "mlp", "units": ["wide"]}},
        WHOLE | {"model": {"units": [3]}},
        WHOLE | {"dataset": {"type": "table"}},
        WHOLE | {"variables": {"n": [1]}},
    ],
)
def test_mistakes_do_not(config: dict[str, Any], validator: Any) -> None:
    assert not validator.is_valid(config)


def said(process: "subprocess.Popen[bytes]") -> Iterator[Any]:
    """Yield the messages of a language server."""
    assert process.stdout is not None
    while line := process.stdout.readline():
        if line.lower().startswith(b"content-length:"):
            size = int(line.split(b":")[1])
            while process.stdout.readline().strip():
                pass
            yield json.loads(process.stdout.read(size))


class Editor:
    """What an editor does with a language server."""

    def __init__(self, process: "subprocess.Popen[bytes]", folder: Path) -> None:
        self.process, self.said = process, said(process)
        self.uri = (folder / "c.yaml").as_uri()
        self.modeline = f"# yaml-language-server: $schema={(folder / 'schema.json').as_uri()}\n"

    def send(self, method: str, parameters: Any, number: int | None = None) -> None:
        message = {"jsonrpc": "2.0", "method": method, "params": parameters}
        body = json.dumps(message if number is None else message | {"id": number}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def answer(self, number: int) -> Any:
        return next(each["result"] for each in self.said if each.get("id") == number and "result" in each)

    def problems(self) -> list[str]:
        name = "textDocument/publishDiagnostics"
        found = next(each for each in self.said if each.get("method") == name)
        return [each["message"] for each in found["params"]["diagnostics"]]

    def write(self, text: str, version: int) -> None:
        document = {"uri": self.uri, "languageId": "yaml", "version": version, "text": self.modeline + text}
        if version == 1:
            self.send("textDocument/didOpen", {"textDocument": document})
        else:
            changed = {"textDocument": document, "contentChanges": [{"text": self.modeline + text}]}
            self.send("textDocument/didChange", changed)


@pytest.fixture
def editor(tmp_path: Path) -> Iterator[Editor]:
    (tmp_path / "schema.json").write_text(json.dumps(json_schema()))
    process = subprocess.Popen([SERVER, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    editor = Editor(process, tmp_path)
    editor.send("initialize", {"processId": None, "rootUri": tmp_path.as_uri(), "capabilities": {}}, 1)
    editor.answer(1)
    editor.send("initialized", {})
    yield editor
    process.kill()
    process.wait()


@pytest.mark.soak
@pytest.mark.skipif(not SERVER, reason="DLRUN_YAML_LANGUAGE_SERVER names no language server for YAML")
def test_an_editor_completes_and_checks_a_config_with_bases_and_variables(editor: Editor) -> None:
    text = 'base: common.yaml\nvariables: {n: 3}\ntraining:\n  epochs: "${n}"\n  '
    editor.write(text, 1)
    assert editor.problems() == []
    at = {"textDocument": {"uri": editor.uri}, "position": {"line": 5, "character": 2}}
    editor.send("textDocument/completion", at, 2)
    answer = editor.answer(2)
    labels = {item["label"] for item in (answer["items"] if isinstance(answer, dict) else answer)}
    assert {"batch_size", "precision", "early_stopping"} <= labels
    editor.write("base: common.yaml\ntraining:\n  epocs: 3\n", 2)
    assert any("epocs" in problem for problem in editor.problems())
    editor.write("model: linear\n", 3)
    assert any("dataset" in problem for problem in editor.problems())
    editor.write("ba", 4)
    editor.problems()
    editor.send("textDocument/completion", at | {"position": {"line": 1, "character": 2}}, 3)
    answer = editor.answer(3)
    labels = {item["label"] for item in (answer["items"] if isinstance(answer, dict) else answer)}
    assert {"base", "variables"} <= labels
