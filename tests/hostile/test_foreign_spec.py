"""The spec.yaml of a stranger's run is trusted no more by its path than the run is by its id."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from dlrun.cli.app import app
from dlrun.errors import SpecError, UsageError
from dlrun.runs.folder import RunFolder
from dlrun.runs.provenance.trust import sign
from dlrun.spec.parse import read_spec

PLUGIN = "import pathlib\npathlib.Path({mark!r}).touch()\n"
Tamper = Callable[..., None]


@pytest.fixture
def mark(written: Path, tmp_path: Path, tamper_spec: Tamper) -> Path:
    """The file that the run's plugin leaves."""
    (written / "plugins").mkdir()
    (written / "plugins" / "theirs.py").write_text(PLUGIN.format(mark=str(tmp_path / "ran")))
    tamper_spec(written, lambda spec: spec.update(plugins=["plugins/theirs.py"]))
    (written / "config.yaml").write_bytes((written / "spec.yaml").read_bytes())
    return tmp_path / "ran"


def commands_with(parameter: str) -> list[list[str]]:
    """Every command that takes an argument of that name, read from the app."""
    found = []

    def walk(command: object, name: list[str]) -> None:
        for part, below in getattr(command, "commands", {}).items():
            walk(below, [*name, part])
        if any(each.name == parameter for each in getattr(command, "params", ())):
            found.append(name)

    walk(typer.main.get_command(app), [])
    return found


CONFIG_COMMANDS = [*commands_with("config"), *commands_with("configs")]
OPTIONS = {"launch": ["--workers", "2"]}


def test_the_commands_that_take_a_config_are_found() -> None:
    names = {" ".join(name) for name in CONFIG_COMMANDS}
    assert names >= {"train", "batch", "launch", "validate", "plan", "bench", "data show", "data check"}


@pytest.mark.parametrize("name", CONFIG_COMMANDS, ids=" ".join)
def test_no_command_runs_a_strangers_plugins_unasked(
    name: list[str], written: Path, mark: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(written.parents[1])
    link = Path("mine.yaml")
    link.symlink_to(written / "spec.yaml")
    for config in (written / "spec.yaml", written / "config.yaml", link):
        with pytest.raises(SystemExit) as ended:
            app([*name, *OPTIONS.get(name[0], []), str(config)])
        assert ended.value.code == 2
        said = capsys.readouterr().err
        assert "this run, which was made elsewhere, needs its own code: plugins/theirs.py" in said
        assert "--trust-plugins" in said
    assert not mark.exists()
    assert list(written.parent.iterdir()) == [written]


def test_a_plugin_runs_once_it_is_trusted_and_only_from_the_folder_of_plugins(
    written: Path, mark: Path, tamper_spec: Tamper
) -> None:
    read_spec(written / "spec.yaml", trust_plugins=True)
    assert mark.exists()
    mark.unlink()
    (written / "other.py").write_text(PLUGIN.format(mark=str(mark)) + "# another\n")
    tamper_spec(written, lambda spec: spec.update(plugins=["other.py"]))
    with pytest.raises(SpecError, match="is outside"):
        read_spec(written / "spec.yaml", trust_plugins=True)
    assert not mark.exists()


def test_data_and_trackers_of_a_strangers_spec_need_the_same_consent(written: Path, tamper_spec: Tamper) -> None:
    tamper_spec(written, lambda spec: spec.update(dataset={"type": "arrays", "path": "/etc/passwd"}))
    with pytest.raises(SpecError, match="needs confirmation"):
        read_spec(written / "spec.yaml")
    tamper_spec(written, lambda spec: spec.update(dataset={"type": "builtin", "name": "wine"}, tracking="mlflow"))
    file = read_spec(written / "spec.yaml")
    assert file.spec.tracking is None
    assert not file.trust.repository


def test_an_own_runs_spec_is_trusted_as_before_and_code_added_to_it_is_not(
    written: Path, mark: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder(written)
    sign(folder, folder.spec_yaml.read_text())
    (written / "plugins" / "theirs.py").write_text(PLUGIN.format(mark=str(mark)) + "# changed\n")
    with pytest.raises(SpecError, match="needs its own code"):
        read_spec(written / "spec.yaml")
    sign(folder, folder.spec_yaml.read_text())
    (written / "added.py").write_text(PLUGIN.format(mark=str(mark)))
    for plugin in (written / "added.py", written / "plugins" / ".." / "added.py"):
        with pytest.raises(SystemExit):
            app(["components", "--plugin", str(plugin)])
        assert "which was made elsewhere" in capsys.readouterr().err
    assert not mark.exists()
    read_spec(written / "spec.yaml")
    assert mark.exists()


def test_components_asks_before_it_runs_a_strangers_plugin(
    written: Path, mark: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for plugin in (written / "plugins" / "theirs.py", written / "plugins" / ".." / "plugins" / "theirs.py"):
        with pytest.raises(SystemExit) as ended:
            app(["components", "--plugin", str(plugin)])
        assert ended.value.code == UsageError.exit_code
        assert re.search("theirs.py is in the run .* --trust-plugins", capsys.readouterr().err, re.DOTALL)
    assert not mark.exists()
    app(["components", "--plugin", str(written / "plugins" / "theirs.py"), "--trust-plugins"], standalone_mode=False)
    assert mark.exists()
