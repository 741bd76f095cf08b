"""The whole stack on this machine, in a home of its own on free ports, with agent and click workers started apart."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep

import psycopg
import urllib3
from redis import Redis

from config.settings import inherited_environment, worker_settings
from tracking.runtime import WaypostError

ROOT = Path(__file__).resolve().parents[2]
_START_S = 90.0
_STOP_S = 40.0
_KEPT = ("PATH", "HOME", "LANG", "USER", "TMPDIR")
_BESIDE = {
    "admin": "exec python -m admin_api",
    "postbacks": "exec python -m worker postbacks",
    "maintenance": "exec python -m worker maintenance",
}
_EDGE = {"edge": "exec python -m edge"}
SHIPPING = ("-m", "edge.agent")
STORING = ("-m", "worker", "clicks")


class BenchError(WaypostError):
    """The measurement cannot go on; the message says why."""

    code = "bench-failed"


@dataclass
class Stack:
    """A running stack: servers, admin and the idle workers, run by `python -m config.up`. Programs are added to it."""

    home: Path
    environ: dict[str, str]
    programs: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def database(self) -> psycopg.Connection[tuple[object, ...]]:
        """Return a new connection in autocommit mode."""
        return psycopg.connect(worker_settings(self.environ).database_url, autocommit=True)

    def redis(self) -> Redis:
        """Return a new client."""
        return Redis.from_url(worker_settings(self.environ).redis_url)

    def begin(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start one of our programs in this stack."""
        with (self.home.parent / "programs.log").open("ab") as log:
            stdout = subprocess.PIPE if "loadtests.pipeline.writer" in arguments else log
            program = subprocess.Popen(
                [sys.executable, *arguments], cwd=ROOT, env=self.environ, stdout=stdout, stderr=log
            )
        self.programs.append(program)
        return program

    def check(self) -> None:
        """Raise BenchError when a program has failed, which would make any figure meaningless."""
        for program in self.programs:
            if program.poll():
                log = (self.home.parent / "programs.log").read_text(errors="replace")
                raise BenchError(f"{program.args!r} ended with status {program.returncode}:\n{log[-2000:]}")

    def end_programs(self) -> None:
        """Stop what `begin` started."""
        for program in self.programs:
            if program.poll() is None:
                program.send_signal(signal.SIGTERM)
        for program in self.programs:
            program.wait(_STOP_S)


@contextmanager
def running_stack(settings: Mapping[str, str], with_edge: bool, statements: Iterable[str] = ()) -> Iterator[Stack]:
    """Run a stack in a new home under the system's temporary directory, and leave nothing behind.

    `statements` change its database first, such as those that leave out what is to be priced.
    """
    directory = Path(tempfile.mkdtemp(prefix="waypost-pipeline-"))
    # PostgreSQL runs as an unprivileged user when we are root; it must be able to reach its data.
    directory.chmod(0o755)
    ports = ("EDGE_PORT", "ADMIN_PORT", "STREAM_PORT", "EMBEDDED_POSTGRES_PORT", "EMBEDDED_VALKEY_PORT")
    inherited = inherited_environment()
    environ = {name: inherited[name] for name in _KEPT if name in inherited}
    environ |= {name: str(_free_port()) for name in ports}
    environ |= {"PYTHONPATH": str(ROOT), "WAYPOST_HOME": str(directory / "home"), "LOG_LEVEL": "warning"}
    environ |= {"INTAKE_PORT": "0", **settings}
    procfile = directory / "Procfile"
    programs = _BESIDE | (_EDGE if with_edge else {})
    procfile.write_text("".join(f"{name}: {command}\n" for name, command in programs.items()))
    stack = Stack(directory / "home", environ)
    with (directory / "up.log").open("wb") as log:
        up = subprocess.Popen(
            [sys.executable, "-m", "config.up", "--procfile", str(procfile)],
            cwd=ROOT,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        _await_admin(stack, up, directory / "up.log")
        with stack.database() as connection:
            for statement in statements:
                connection.execute(statement.encode())
        yield stack
    finally:
        stack.end_programs()
        up.send_signal(signal.SIGTERM)
        up.wait(_STOP_S)
        shutil.rmtree(directory, ignore_errors=True)


def _await_admin(stack: Stack, up: subprocess.Popen[bytes], log: Path) -> None:
    deadline = monotonic() + _START_S
    names = ("ADMIN_PORT",)
    while monotonic() < deadline and up.poll() is None:
        try:
            if all(_ready(stack.environ[name]) for name in names):
                return
        except urllib3.exceptions.HTTPError:
            pass
        sleep(0.2)
    raise BenchError(f"the stack did not come up; it said:\n{log.read_text(errors='replace')[-2000:]}")


def _ready(port: str) -> bool:
    return urllib3.request("GET", f"http://127.0.0.1:{port}/readyz", timeout=2.0, retries=False).status == 200


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
