import http.server
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlrun.data.builtin import Builtin
from dlrun.data.tfds.folder import known_names
from dlrun.data.tfds.source import Tfds
from dlrun.errors import DataError
from dlrun.system import network as reachability
from dlrun.system.network import find_unreachable

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


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


@pytest.fixture
def web_port() -> Iterator[int]:
    """A web server that answers with the status that the path names."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(int(self.path.strip("/")))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing is to be printed."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def refusal(source: Tfds) -> str:
    with pytest.raises(DataError) as caught:
        source.load()
    return str(caught.value)


@pytest.mark.usefixtures("offline")
def test_without_a_network_it_says_within_seconds_what_to_do(tmp_path: Path) -> None:
    started = time.monotonic()
    said = refusal(Tfds(name="mnist", data_dir=str(tmp_path), validation=0.1))
    assert time.monotonic() - started < 20
    assert "'mnist' is not in " + str(tmp_path) in said
    assert "storage.googleapis.com does not answer" in said
    assert "by dlrun data fetch mnist" in said
    assert f"copy the folder that it names to {tmp_path / 'mnist'}" in said
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
def test_what_runs_instead_has_the_shape_and_the_validation_of_what_is_missing(tmp_path: Path) -> None:
    def instead(name: str, **keys: object) -> str:
        said = refusal(Tfds.model_validate({"name": name, "data_dir": str(tmp_path), **keys}))
        return said.partition("--set 'dataset={type: builtin, ")[2].partition("}'")[0]

    assert instead("cifar10") == "name: digits, resize: [32, 32]"
    assert instead("mnist", validation=5000) == "name: digits, resize: [28, 28], validation: 0.09"
    assert instead("mnist", validation="test") == "name: digits, resize: [28, 28], validation: test"
    assert instead("beans", resize=(64, 48), validation=200) == "name: digits, resize: [64, 48], validation: 0.1"
    assert instead("iris", validation=0.2) == "name: wine, validation: 0.2"


def test_what_runs_instead_of_every_known_set_does_run() -> None:
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
def test_an_unknown_name_or_config_gets_the_nearest_and_no_network_is_asked(tmp_path: Path) -> None:
    said = refusal(Tfds(name="mnits", data_dir=str(tmp_path)))
    assert "has no set 'mnits'" in said
    assert "did you mean 'mnist'?" in said
    said = refusal(Tfds(name="emnist/leters", data_dir=str(tmp_path)))
    assert "no config 'leters'" in said
    assert "did you mean 'letters'?" in said
    assert "it has no configs" in refusal(Tfds(name="mnist/big", data_dir=str(tmp_path)))


def test_download_false_asks_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reachability, "_failure", lambda *_: pytest.fail("a host was asked"))
    assert "`download` is false" in refusal(Tfds(name="mnist", data_dir=str(tmp_path), download=False))


@pytest.mark.usefixtures("offline")
def test_what_an_interrupted_preparation_has_left_is_named(tmp_path: Path) -> None:
    (tmp_path / "mnist" / "incomplete.QX7F2A_3.0.1").mkdir(parents=True)
    assert "incomplete.QX7F2A_3.0.1" in refusal(Tfds(name="mnist", data_dir=str(tmp_path)))


def test_a_host_that_swallows_packets_is_given_up(monkeypatch: pytest.MonkeyPatch, silent_port: int) -> None:
    use_proxy(monkeypatch, f"http://127.0.0.1:{silent_port}")
    started = time.monotonic()
    for url in ("https://a.example/x", "http://a.example/x"):
        failure = find_unreachable([url], connect_seconds=0.2)
        assert failure is not None
        assert "a.example does not answer" in failure
    assert time.monotonic() - started < 2


def test_nothing_stretches_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reachability, "_failure", lambda *_: time.sleep(3))
    started = time.monotonic()
    failure = find_unreachable([f"https://{k}.example/" for k in range(9)], total_seconds=0.3)
    assert failure == "0.example does not answer (no answer within 0 s)"
    assert time.monotonic() - started < 1


def test_a_host_that_answers_is_reached_whatever_it_answers(monkeypatch: pytest.MonkeyPatch, web_port: int) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    assert find_unreachable([f"http://127.0.0.1:{web_port}/{status}" for status in (200,)]) is None
    for status in (403, 404, 405):
        assert find_unreachable([f"http://127.0.0.1:{web_port}/{status}"]) is None


@pytest.mark.parametrize("status", [407, 502, 503, 504])
def test_a_proxy_that_cannot_reach_the_host_is_no_answer_of_the_host(
    monkeypatch: pytest.MonkeyPatch, web_port: int, status: int
) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    failure = find_unreachable([f"http://127.0.0.1:{web_port}/{status}"])
    assert failure is not None
    assert str(status) in failure
