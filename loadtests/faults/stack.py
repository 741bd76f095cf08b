"""A stack of its own to break: real processes of `python -m config.up`, free ports, a home that is removed afterwards.

As root on Linux its spool is a small tmpfs in a mount namespace of its own, which is gone with the processes.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import orjson
import urllib3

from config.settings import embedded_database_url, embedded_redis_url, inherited_environment
from config.supervision import identity
from loadtests.faults.clock import SteppedClock, stepped_clock
from tracking.runtime import WaypostError

ROOT = Path(__file__).resolve().parents[2]
_START_S = 120.0
_STOP_S = 60.0
_TMPFS_BYTES = 64 << 20
_SEGMENT_BYTES = 256 << 10
_KEPT = ("PATH", "HOME", "LANG", "USER", "TMPDIR")
_MOUNT = 'mount -t tmpfs -o size="$0",mode=0700 waypost-spool "$1" && shift && exec "$@"'


class FaultsError(WaypostError):
    """The run cannot go on; the message says why."""

    code = "faults-failed"


@dataclass
class BrokenStack:
    """The running stack. `tmpfs` says whether its spool is a small file system; `clock` is that of the edge host."""

    home: Path
    process: subprocess.Popen[bytes]
    edge_port: int
    intake_port: int
    admin_port: int
    redis_url: str
    database_url: str
    tmpfs: bool
    clock: SteppedClock | None

    @property
    def token(self) -> str:
        """The operator's API token."""
        return (self.home / "admin-token").read_text().strip()

    @property
    def spool_dir(self) -> Path:
        """The spool as this process sees it."""
        inside = self.home / "spool"
        return Path(f"/proc/{self.process.pid}/root{inside}") if self.tmpfs else inside

    def pid(self, name: str) -> int | None:
        """Return the process on record under a name, None while there is none."""
        try:
            pid, begun, *_ = orjson.loads((self.home / "run" / f"{name}.process").read_bytes())
        except (OSError, ValueError):
            return None
        return int(pid) if identity(pid) == begun else None

    def log_lines(self) -> int:
        """Return how many lines all processes have printed."""
        with (self.home.parent / "up.log").open("rb") as log:
            return sum(1 for _ in log)


@contextmanager
def broken_stack(server: str) -> Iterator[BrokenStack]:
    """Run a stack whose edge runs under `server`, and leave no process, mount or file behind."""
    directory = Path(tempfile.mkdtemp(prefix="waypost-faults-"))
    # PostgreSQL, which as root runs under another user, must reach its data.
    directory.chmod(0o755)
    stack = None
    try:
        stack = _launch(directory, server)
        _await_ready(stack)
        yield stack
    finally:
        if stack is not None:
            _stop(stack)
        shutil.rmtree(directory, ignore_errors=True)


def children(pid: int) -> list[int]:
    """Return the processes that a process started, by id."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            state, parent, *_ = stat[stat.rindex(")") + 1 :].split()
            if int(parent) == pid and state not in "ZX":
                found.append(int(entry.name))
    return sorted(found)


def _launch(directory: Path, server: str) -> BrokenStack:
    home = directory / "home"
    (home / "spool").mkdir(parents=True)
    home.chmod(0o755)
    inherited = inherited_environment()
    ports = {
        name: _free_port() for name in ("EDGE", "INTAKE", "ADMIN", "STREAM", "EMBEDDED_POSTGRES", "EMBEDDED_VALKEY")
    }
    environ = {name: inherited[name] for name in _KEPT if name in inherited}
    environ |= {f"{name}_PORT": str(port) for name, port in ports.items()}
    # All requests come from one address, and each must be stored as what it is by itself.
    environ |= {"CLICKS_PER_ADDRESS_PER_MINUTE": "0", "DUPLICATE_WINDOW_S": "0"}
    environ |= {
        "PYTHONPATH": str(ROOT),
        "WAYPOST_HOME": str(home),
        "SPOOL_DIR": str(home / "spool"),
        "SPOOL_SEGMENT_BYTES": str(_SEGMENT_BYTES),
        # A batch that a killed process took along is looked for after this long.
        "AGENT_RETRY_S": "3",
        "EDGE_SERVER": server,
    }
    command = [sys.executable, "-m", "config.up"]
    clock = stepped_clock(directory)
    if clock is not None:
        command += ["--procfile", str(_procfile(directory, clock))]
    tmpfs = _can_mount()
    if tmpfs:
        command = [
            *("unshare", "--mount", "--propagation", "private", "sh", "-c", _MOUNT),
            *(str(_TMPFS_BYTES), str(home / "spool"), *command),
        ]
    else:
        environ["SPOOL_MAX_BYTES"] = str(_TMPFS_BYTES // 16)
    with (directory / "up.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    return BrokenStack(
        home,
        process,
        ports["EDGE"],
        ports["INTAKE"],
        ports["ADMIN"],
        embedded_redis_url(home, ports["EMBEDDED_VALKEY"]),
        embedded_database_url(home, ports["EMBEDDED_POSTGRES"]),
        tmpfs,
        clock,
    )


def _procfile(directory: Path, clock: SteppedClock) -> Path:
    """Write a Procfile in which edge, intake and agent live by a clock of their own."""
    words = " ".join(f"{name}={value}" for name, value in clock.environment.items())
    lines = []
    for line in (ROOT / "Procfile").read_text().splitlines():
        name, _, program = line.partition(": exec ")
        lines.append(f"{name}: exec env {words} {program}" if name in ("edge", "intake", "agent") else line)
    path = directory / "Procfile"
    path.write_text("\n".join(lines) + "\n")
    return path


def _can_mount() -> bool:
    if os.geteuid() or shutil.which("unshare") is None:
        return False
    with tempfile.TemporaryDirectory() as place:
        probe = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _MOUNT, "1048576", place, "true"]
        return subprocess.run(probe, capture_output=True).returncode == 0


def _await_ready(stack: BrokenStack) -> None:
    deadline = monotonic() + _START_S
    while not all(_answers(port) for port in (stack.edge_port, stack.intake_port, stack.admin_port)):
        if stack.process.poll() is not None or monotonic() > deadline:
            tail = (stack.home.parent / "up.log").read_text(errors="replace").splitlines()[-30:]
            raise FaultsError("the stack does not start; it printed:\n" + "\n".join(tail))
        sleep(0.1)


def _answers(port: int) -> bool:
    try:
        url = f"http://127.0.0.1:{port}/readyz"
        return urllib3.request("GET", url, timeout=2.0, retries=False).status == 200
    except urllib3.exceptions.HTTPError:
        return False


def _stop(stack: BrokenStack) -> None:
    """Ask the supervisor to stop everything; what is left in the end is known by its home and killed."""
    if stack.process.poll() is None:
        stack.process.send_signal(signal.SIGTERM)
    try:
        stack.process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        stack.process.kill()
        stack.process.wait()
    needle = f"WAYPOST_HOME={stack.home}".encode()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and needle in (entry / "environ").read_bytes().split(b"\0"):
                os.kill(int(entry.name), signal.SIGKILL)
        except OSError:
            continue


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
