import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dlrun.data.builtin import Builtin
from dlrun.data.tfds.folder import known_names
from dlrun.data.tfds.source import Tfds
from dlrun.errors import DataError
from dlrun.system import network as reachability

PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy")


def use_proxy(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    for name in PROXIES:
        monkeypatch.setenv(name, address)
        monkeypatch.setenv(name.upper(), address)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose every connection is refused: its proxy is a port that nobody listens at."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        use_proxy(monkeypatch, f"http://127.0.0.1:{closed.getsockname()[1]}")


def refusal(source: Tfds) -> str:
    with pytest.raises(DataError) as caught:
        source.load()
    return str(caught.value)


@pytest.mark.usefixtures("offline")
def test_without_a_network_nothing_is_tried_and_the_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # tensorflow-datasets would try each file ten times, with pauses that grow.
    monkeypatch.setattr("tensorflow_datasets.builder", lambda *_, **__: pytest.fail("the download began"))
    said = refusal(Tfds(name="mnist", data_dir=str(tmp_path), validation=0.1))
    assert "'mnist' is not in " + str(tmp_path) in said
    assert "storage.googleapis.com does not answer" in said
    assert "with dlrun data fetch mnist" in said
    assert f"copy the folder that it prints to {tmp_path / 'mnist'}" in said
    assert "--set 'dataset={type: builtin, name: digits, resize: [28, 28], validation: 0.1}'" in said
    assert not any(tmp_path.iterdir())


@pytest.mark.usefixtures("offline")
def test_the_command_and_the_error_do_not_need_tensorflow(tmp_path: Path) -> None:
    program = (
        "import sys; from dlrun.data.tfds.source import Tfds; from dlrun.errors import DataError\n"
        f"try: Tfds(name='mnist', data_dir={str(tmp_path)!r}).load()\n"
        "except DataError: print([name for name in ('tensorflow', 'keras') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout == "[]\n"
    assert done.stderr == ""


@pytest.mark.usefixtures("offline")
def test_the_replacement_of_a_missing_set_has_its_shape_and_validation(tmp_path: Path) -> None:
    def instead(name: str, **keys: object) -> str:
        said = refusal(Tfds.model_validate({"name": name, "data_dir": str(tmp_path), **keys}))
        return said.partition("--set 'dataset={type: builtin, ")[2].partition("}'")[0]

    assert instead("cifar10") == "name: digits, resize: [32, 32]"
    assert instead("mnist", validation=5000) == "name: digits, resize: [28, 28], validation: 0.09"
    assert instead("mnist", validation="test") == "name: digits, resize: [28, 28], validation: test"
    assert instead("beans", resize=(64, 48), validation=200) == "name: digits, resize: [64, 48], validation: 0.1"
    assert instead("iris", validation=0.2) == "name: wine, validation: 0.2"


def test_the_replacement_of_every_known_set_runs() -> None:
    for name in known_names():
        said = Tfds(name=name, validation=0.1)._instead()
        fields = said.partition("builtin, ")[2].partition("}'")[0]
        data = fields.partition("name: ")[2].partition(",")[0]
        size = fields.partition("resize: [")[2].partition("]")[0]
        resize = tuple(int(pixels) for pixels in size.split(", ")) if size else None
        source = Builtin.model_validate({"name": data, "resize": resize, "validation": 0.1})
        assert list(source.problems()) == []
        described = Tfds(name=name).describe()
        assert described is not None
        assert source.describe().features.shape[:-1] == described.features.shape[:-1]


@pytest.mark.usefixtures("offline")
def test_an_unknown_name_or_config_suggests_the_nearest_without_the_network(tmp_path: Path) -> None:
    said = refusal(Tfds(name="mnits", data_dir=str(tmp_path)))
    assert "has no set 'mnits'" in said
    assert "did you mean 'mnist'?" in said
    said = refusal(Tfds(name="emnist/leters", data_dir=str(tmp_path)))
    assert "no config 'leters'" in said
    assert "did you mean 'letters'?" in said
    assert "it has no configs" in refusal(Tfds(name="mnist/big", data_dir=str(tmp_path)))


def test_download_false_uses_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reachability, "_failure", lambda *_: pytest.fail("a host was asked"))
    assert "`download` is false" in refusal(Tfds(name="mnist", data_dir=str(tmp_path), download=False))


@pytest.mark.usefixtures("offline")
def test_the_remains_of_an_interrupted_preparation_are_named(tmp_path: Path) -> None:
    (tmp_path / "mnist" / "incomplete.QX7F2A_3.0.1").mkdir(parents=True)
    assert "incomplete.QX7F2A_3.0.1" in refusal(Tfds(name="mnist", data_dir=str(tmp_path)))
