"""A host is probed within a deadline."""

import http.server
import socket
import threading
from collections.abc import Iterator

import pytest

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


def test_a_host_that_swallows_packets_is_given_up(monkeypatch: pytest.MonkeyPatch, silent_port: int) -> None:
    use_proxy(monkeypatch, f"http://127.0.0.1:{silent_port}")
    for url in ("https://a.example/x", "http://a.example/x"):
        failure = find_unreachable([url], connect_seconds=0.2)
        assert failure is not None
        assert "a.example does not answer" in failure


def test_nothing_stretches_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answered = threading.Event(), list[bool]()
    monkeypatch.setattr(reachability, "_failure", lambda *_: answered.append(asked.wait(60)))
    failure = find_unreachable([f"https://{k}.example/" for k in range(9)], total_seconds=0.3)
    assert failure == "0.example does not answer (no answer within 0 s)"
    assert not answered, "the deadline waited for a host"
    asked.set()


def test_a_host_is_reachable_if_it_answers_at_all(monkeypatch: pytest.MonkeyPatch, web_port: int) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    assert find_unreachable([f"http://127.0.0.1:{web_port}/{status}" for status in (200,)]) is None
    for status in (403, 404, 405):
        assert find_unreachable([f"http://127.0.0.1:{web_port}/{status}"]) is None


@pytest.mark.parametrize("status", [407, 502, 503, 504])
def test_an_error_of_a_proxy_is_not_an_answer_of_the_host(
    monkeypatch: pytest.MonkeyPatch, web_port: int, status: int
) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    failure = find_unreachable([f"http://127.0.0.1:{web_port}/{status}"])
    assert failure is not None
    assert str(status) in failure
