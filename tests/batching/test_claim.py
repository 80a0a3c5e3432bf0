import subprocess
import sys
from pathlib import Path

from dlrun.batching.claim import claimed, turn_to_load
from dlrun.runs.record import IdentityRecord

IDENTITY = IdentityRecord(spec="a" * 64, code="b" * 64, data="c" * 64)
CLAIMS = """\
import sys
from pathlib import Path
from dlrun.batching.claim import claimed
from dlrun.runs.record import IdentityRecord
with claimed(IdentityRecord(spec=sys.argv[1], code="b" * 64, data="c" * 64), runs_dir=Path(".")) as is_mine:
    print(is_mine is not None, flush=True)
    sys.stdin.read()
"""


def other(folder: Path, spec: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CLAIMS, spec]
    return subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_claim_lasts_until_the_process_ends_for_any_reason(tmp_path: Path) -> None:
    with other(tmp_path, IDENTITY.spec) as process:
        assert first_line(process) == "True"
        with claimed(IDENTITY, runs_dir=tmp_path) as is_mine:
            assert not is_mine
        with claimed(IDENTITY.model_copy(update={"spec": "d" * 64}), runs_dir=tmp_path) as is_mine:
            assert is_mine
        process.kill()
        process.wait()
    with claimed(IDENTITY, runs_dir=tmp_path) as is_mine:
        assert is_mine
        with other(tmp_path, IDENTITY.spec) as process:
            assert first_line(process) == "False"
            process.communicate("")


def test_only_the_first_process_downloads_missing_data(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with turn_to_load((data,), runs_dir=tmp_path) as is_missing:
        assert is_missing
        data.mkdir()
    with turn_to_load((data,), runs_dir=tmp_path) as is_missing:
        assert not is_missing
    with turn_to_load((), runs_dir=tmp_path) as is_missing:
        assert not is_missing
