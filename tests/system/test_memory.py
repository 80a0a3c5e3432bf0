"""Memory beyond a limit of the process does not count as free."""

import resource
from pathlib import Path

import pytest

from dlrun.system.memory import free_memory

GIB = 2**30


@pytest.fixture
def system(tmp_path: Path) -> Path:
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "meminfo").write_text("MemTotal: 16777216 kB\nMemAvailable:    8388608 kB\n")
    (tmp_path / "proc" / "self" / "status").write_text("Name:\tx\nVmSize:\t 1048576 kB\nVmData:\t  524288 kB\n")
    (tmp_path / "groups").mkdir()
    return tmp_path


def free(system: Path) -> int:
    return free_memory(system / "proc", system / "groups")


def limit(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)


def test_without_limits_free_memory_is_that_of_the_machine(system: Path) -> None:
    assert free(system) == 8 * GIB


def test_a_control_group_and_its_parents_limit_free_memory(system: Path) -> None:
    (system / "proc" / "self" / "cgroup").write_text("0::/outer/inner\n")
    stat = {"memory.stat": f"anon 1\ninactive_file {GIB // 2}\n"}
    limit(system / "groups" / "outer" / "inner", {"memory.max": "max\n", "memory.current": "1\n", **stat})
    assert free(system) == 8 * GIB
    limit(system / "groups" / "outer", {"memory.max": f"{4 * GIB}\n", "memory.current": f"{GIB}\n", **stat})
    assert free(system) == 3 * GIB + GIB // 2


def test_version_1_of_control_groups_limits_free_memory_too(system: Path) -> None:
    (system / "proc" / "self" / "cgroup").write_text("9:cpu:/a\n4:memory:/not/here\n")
    files = {"memory.limit_in_bytes": f"{2 * GIB}\n", "memory.usage_in_bytes": f"{GIB}\n", "memory.stat": "cache 1\n"}
    limit(system / "groups" / "memory", files)
    assert free(system) == GIB
    limit(system / "groups" / "memory", {"memory.limit_in_bytes": "9223372036854771712\n"})
    assert free(system) == 8 * GIB


def test_limits_of_the_process_limit_free_memory(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {resource.RLIMIT_AS: 3 * GIB, resource.RLIMIT_DATA: resource.RLIM_INFINITY}
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (limits[kind], limits[kind]))
    assert free(system) == 2 * GIB
    limits[resource.RLIMIT_DATA] = GIB // 4
    assert free(system) == 0


def test_free_memory_is_known_on_this_machine() -> None:
    assert free_memory() > 0
