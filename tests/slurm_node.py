"""A real Slurm of one node on this machine: its daemons, and what a test wants to know of them.

It needs Debian's packages slurm-wlm, slurmctld, slurmd and munge, and root, because slurmd starts jobs as other users.
There is no accounting.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

_PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch")
_PATIENCE_SECONDS = 30
_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
ReturnToService=2
MaxArraySize={most}
KillWait=5
SchedulerParameters=batch_sched_delay=0,sched_min_interval=100000,sched_interval=1
SlurmctldPort={port}
SlurmdPort={next_port}
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:2
"""


def why_not() -> str:
    """Return why Slurm cannot be started here; empty if it can."""
    if missing := [name for name in _PROGRAMS if shutil.which(name) is None and not Path("/usr/sbin", name).exists()]:
        return f"Slurm is not installed: {', '.join(missing)}"
    return "" if os.geteuid() == 0 else "Slurm's daemons need root"


class SlurmNode:
    """The daemons in a folder; `conf` is what SLURM_CONF has to be."""

    def __init__(self, folder: Path, *, largest_array: int = 1001) -> None:
        self.folder = folder
        self.conf = folder / "slurm.conf"
        for name in ("state", "spool"):
            (folder / name).mkdir(parents=True)
        port, next_port = _free_ports()
        host = socket.gethostname().partition(".")[0]
        self.conf.write_text(_CONF.format(host=host, folder=folder, most=largest_array, port=port, next_port=next_port))
        self._start_munge()
        self.start_controller()
        self._start("slurmd", "-f", str(self.conf))
        self._wait_until_idle()

    def start_controller(self) -> None:
        self._start("slurmctld", "-f", str(self.conf))

    def stop_controller(self) -> None:
        self._kill("slurmctld")

    def ask(self, *command: str) -> str:
        """Return what a command of Slurm prints."""
        environment = {**os.environ, "SLURM_CONF": str(self.conf)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        return done.stdout

    def end_hung_steps(self) -> None:
        """End daemons of steps that have no process any more: those of Slurm 22.05 sometimes wait for ever then."""
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                is_own = path.joinpath("cwd").readlink() == self.folder
                is_step = path.joinpath("cmdline").read_bytes().startswith(b"slurmstepd: ")
                children = path.joinpath("task", path.name, "children").read_text().split()
                if is_own and is_step and not children and time.time() - path.stat().st_mtime > 20:
                    os.kill(int(path.name), signal.SIGKILL)

    def close(self) -> None:
        self.ask("scancel", "--me", "--signal=KILL", "--full")
        self.ask("scancel", "--me")
        for name in ("slurmd", "slurmctld", "munged"):
            self._kill(name)

    def _start_munge(self) -> None:
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        places = (("key-file", key), ("socket", self.folder / "munge.socket"), ("pid-file", self.folder / "munged.pid"),
                  ("log-file", self.folder / "munged.log"), ("seed-file", self.folder / "munged.seed"))  # fmt: skip
        self._start("munged", "--force", *(f"--{name}={path}" for name, path in places))

    def _start(self, program: str, *arguments: str) -> None:
        found = shutil.which(program) or f"/usr/sbin/{program}"
        subprocess.run([found, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _wait_until_idle(self) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while "idle" not in self.ask("sinfo", "--noheader", "--format=%t"):
            if time.monotonic() > deadline:
                logs = [path.read_text()[-1000:] for path in self.folder.glob("*.log")]
                raise RuntimeError("the node did not come up: " + "\n".join(logs))
            time.sleep(0.1)

    def _kill(self, program: str) -> None:
        with suppress(OSError, ValueError):
            number = int((self.folder / f"{program}.pid").read_text())
            os.kill(number, signal.SIGTERM)
            deadline = time.monotonic() + _PATIENCE_SECONDS
            while time.monotonic() < deadline:
                os.kill(number, 0)
                time.sleep(0.02)


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]
