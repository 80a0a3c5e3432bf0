"""A crew without processes: a test writes what each run reports, and reads what was asked of it."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from dlrun.batching.messages import Request

Script = Callable[[Request], Iterable[dict[str, Any]]]


def completes(request: Request) -> list[dict[str, Any]]:
    return [begun(request), ended(request, "completed"), gone(request)]


def begun(request: Request, *, resumed: bool = False) -> dict[str, Any]:
    return {"number": request.number, "event": "run", "folder": f"run-{request.number}", "resumed": resumed}


def ended(request: Request, how: str, **content: Any) -> dict[str, Any]:
    return {"number": request.number, "event": "ended", "how": how, **content}


def gone(request: Request, code: int = 0) -> dict[str, Any]:
    return {"number": request.number, "event": "gone", "code": code}


@dataclass
class FakeCrew:
    """Reports for each run what its script says, one message at a time; `asleep` is called when there is none."""

    script: Script = completes
    asleep: Callable[[], None] = lambda: None
    on_signal: Callable[[int, Request], Iterable[dict[str, Any]]] = lambda _number, _request: ()
    requests: list[Request] = field(default_factory=list)
    signals: list[int] = field(default_factory=list)
    most: int = 0
    _going: dict[int, Request] = field(default_factory=dict)
    _waiting: deque[dict[str, Any]] = field(default_factory=deque)

    def start(self, request: Request) -> None:
        self.requests.append(request)
        self._going[request.number] = request
        self.most = max(self.most, len(self._going))
        self._waiting.extend(self.script(request))

    def signal(self, number: int) -> None:
        self.signals.append(number)
        for request in self._going.values():
            self._waiting.extend(self.on_signal(number, request))

    def messages(self, *, seconds: float) -> list[dict[str, Any]]:
        assert seconds > 0
        if not self._waiting:
            self.asleep()
            return []
        message = self._waiting.popleft()
        if message["event"] == "gone":
            del self._going[message["number"]]
        return [message]
