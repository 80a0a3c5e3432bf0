"""A Ray cluster of two nodes on this machine, in a process of its own that takes requests, one line of JSON each.

    {"do": "kill"}        kill the second node, as if its machine had died
    {"do": "add", "env": {}}   add a node, with variables of its own
    {"do": "stop"} and {"do": "cont"}   stop the second node without killing it, as if its network had gone; go on

Each is answered by one line when it is done. When stdin closes, the cluster ends.
"""

import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any


class RayCluster:
    """The process, as a test sees it."""

    def __init__(self, *, cpus: int = 1) -> None:
        self.temporary = tempfile.mkdtemp(prefix="r", dir="/tmp")  # a socket's path must be short
        environment = {**os.environ, "RAY_TMPDIR": self.temporary, "RAY_USAGE_STATS_ENABLED": "0"}
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(cpus)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.address: str = self._answer()["address"]
        self.environment = {"RAY_ADDRESS": self.address, "RAY_TMPDIR": self.temporary}

    def ask(self, do: str, **content: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **content}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        self._process.communicate()
        shutil.rmtree(self.temporary, ignore_errors=True)

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the cluster has ended with {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def tried(start: Callable[[], Any]) -> Any:
    """Start something of Ray, which gives up after 30 s, too soon on a busy machine."""
    for _ in range(2):
        with contextlib.suppress(Exception):
            return start()
    return start()


def serve(cpus: int) -> None:
    from ray.cluster_utils import Cluster

    small = {"num_cpus": cpus, "object_store_memory": 80 << 20}
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Ray prints, too
    head = {**small, "include_dashboard": False}
    cluster = tried(lambda: Cluster(initialize_head=True, head_node_args=head))
    second = tried(lambda: cluster.add_node(**small))

    def answer(**content: Any) -> None:
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    def signal_second(number: int) -> None:
        for process in second.all_processes["raylet"]:
            os.kill(process.process.pid, number)

    answer(address=cluster.address)
    for line in sys.stdin:
        request = json.loads(line)
        match request["do"]:
            case "kill":
                cluster.remove_node(second, allow_graceful=False)
            case "add":
                more = {**small, "env_vars": request.get("env")}
                second = tried(functools.partial(cluster.add_node, **more))
            case "stop":
                signal_second(signal.SIGSTOP)
            case "cont":
                signal_second(signal.SIGCONT)
        answer()
    cluster.shutdown()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
