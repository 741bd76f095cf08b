"""The whole stack as system tests use it: real processes of `python -m config.up`, free ports, a home of its own."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import urllib3

from embedded_servers import server_home
from waiting import free_port, wait_until

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 30.0
_TIMEOUT = urllib3.Timeout(connect=5, read=20)


class Reply(NamedTuple):
    """One HTTP answer; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


@dataclass
class Stack:
    """One running stack. `environ` is what it was started with."""

    home: Path
    environ: dict[str, str]
    process: subprocess.Popen[bytes]
    edge_port: int
    admin_port: int

    @property
    def edge_url(self) -> str:
        return f"http://127.0.0.1:{self.edge_port}"

    @property
    def admin_url(self) -> str:
        return f"http://127.0.0.1:{self.admin_port}"

    @property
    def stream_port(self) -> int:
        return int(self.environ["STREAM_PORT"])

    @property
    def token(self) -> str:
        return (self.home / "admin-token").read_text().strip()

    @property
    def log(self) -> str:
        return (self.home.parent / "up.log").read_text(errors="replace")

    def pid(self, name: str) -> int | None:
        """Return the process that the supervisor has on record under a name, None while there is none."""
        try:
            pid = int(orjson.loads((self.home / "run" / f"{name}.process").read_bytes())[0])
        except FileNotFoundError:
            return None
        return pid if is_alive(pid) else None

    @property
    def names(self) -> list[str]:
        """The names of all processes on record."""
        return sorted(path.stem for path in (self.home / "run").glob("*.process"))

    def api(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
        """Call the admin API as the operator, who edits an object whatever it is now."""
        wanted = {"Authorization": f"Bearer {self.token}", "If-Match": "*"} | dict(headers or {})
        return _call(method, f"{self.admin_url}{path}", body, wanted)

    def create(self, path: str, body: Any) -> Any:
        """Create something by the API and return it."""
        reply = self.api("POST", path, body)
        assert reply.status == 201, reply
        return reply.json

    def edge(
        self, path: str, host: str = "127.0.0.1", method: str = "GET", headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Ask the edge as a browser would that came to `host`."""
        return _call(method, f"{self.edge_url}{path}", None, {"Host": f"{host}:{self.edge_port}"} | dict(headers or {}))

    def postback(self, path: str, body: Any = None, token: str | None = None, method: str = "POST") -> Reply:
        """Send a postback; `token` goes into the Authorization header."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return _call(method, f"{self.edge_url}{path}", body, headers)

    def raw(self, request: bytes) -> Reply:
        """Send bytes to the edge exactly as they are and return its answer."""
        with socket.create_connection(("127.0.0.1", self.edge_port), timeout=20) as connection:
            connection.sendall(request)
            response = HTTPResponse(connection)
            response.begin()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, headers, response.read())

    def await_click(self, click_id: str) -> Any:
        """Return a click with its postbacks and conversions once it is stored."""

        def stored() -> Any:
            reply = self.api("GET", f"/v1/clicks/{click_id}")
            return reply.json if reply.status == 200 else None

        return wait_until(stored, what=f"click {click_id} to be stored")

    def await_postbacks(self, click_id: str, count: int) -> Any:
        """Return a click once it has that many postbacks and each of them is judged."""

        def judged() -> Any:
            found = self.await_click(click_id)
            outcomes = [row["outcome"] for row in found["postbacks"]]
            return found if len(outcomes) == count and "parked" not in outcomes else None

        return wait_until(judged, what=f"{count} judged postbacks of click {click_id}")

    def await_settled(self, timeout_s: float = 60) -> Any:
        """Return the ledger once nothing is in flight, whatever its difference is."""

        def settled() -> Any:
            reply = self.api("GET", "/v1/ledger")
            if reply.status != 200 or reply.json.get("stale"):
                return None
            quiet = reply.json["in_flight"] == 0 and reply.json["postbacks"]["in_flight"] == 0
            return reply.json if quiet else None

        return wait_until(settled, timeout_s, "the ledger to come to rest")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Stop the supervisor and return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(STOP_TIMEOUT_S)


def stack_environ(home: Path, **overrides: str) -> dict[str, str]:
    """Return an environment for a stack with its own home and ports, free of any settings of the caller's."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "USER", "TMPDIR") if name in os.environ}
    # A batch that a killed process took along is looked for after this long.
    fast = {"AGENT_RETRY_S": "2"}
    ports = {
        name: str(free_port())
        for name in (
            "EDGE_PORT",
            "INTAKE_PORT",
            "ADMIN_PORT",
            "STREAM_PORT",
            "EMBEDDED_POSTGRES_PORT",
            "EMBEDDED_VALKEY_PORT",
        )
    }
    # Tests are the proxy in front of the edge: they say in X-Forwarded-For which visitor they send on.
    proxy = {"TRUSTED_PROXIES": "1"}
    return kept | {"PYTHONPATH": str(ROOT), "WAYPOST_HOME": str(home)} | ports | fast | proxy | overrides


def launch(environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start the supervisor in a session of its own, its output in up.log beside the home."""
    log = Path(environ["WAYPOST_HOME"]).parent / "up.log"
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "config.up"],
            cwd=ROOT,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def start(home: Path, environ: Mapping[str, str] | None = None) -> Stack:
    """Start a stack and return it once it answers, or fail with the end of what it printed."""
    chosen = dict(environ or stack_environ(home))
    stack = Stack(home, chosen, launch(chosen), int(chosen["EDGE_PORT"]), int(chosen["ADMIN_PORT"]))
    try:
        wait_until(lambda: _ready(stack), START_TIMEOUT_S, "the stack to be ready")
    except AssertionError as error:
        end = "\n".join(stack.log.splitlines()[-60:])
        kill_session(stack)
        raise AssertionError(f"{error}; it printed:\n{end}") from None
    return stack


@contextmanager
def running_stack(**overrides: str) -> Iterator[Stack]:
    """Run a stack in a new home and leave nothing behind."""
    with server_home() as directory:
        home = directory / "home"
        stack = start(home, stack_environ(home, **overrides))
        try:
            yield stack
        finally:
            try:
                _stop_at_once(stack)
            finally:
                kill_session(stack)


def _stop_at_once(stack: Stack) -> None:
    """Stop the stack without its programs' last words; only the servers end as they should, and free shared memory."""
    if stack.process.poll() is not None:
        return
    stack.process.terminate()
    for name in set(stack.names) - {"postgres", "valkey"}:
        with suppress(ProcessLookupError):
            if pid := stack.pid(name):
                os.killpg(pid, signal.SIGKILL)
    stack.process.wait(STOP_TIMEOUT_S)


def members(stack: Stack) -> dict[int, str]:
    """Return the processes of a stack, pid to command line: by parentage, and by the home they were started with."""
    processes = {entry: parent for entry in _pids() if (parent := _parent(entry)) is not None}
    found = {stack.process.pid}
    while more := {pid for pid, parent in processes.items() if parent in found} - found:
        found |= more
    needle = f"WAYPOST_HOME={stack.home}".encode()
    found |= {pid for pid in processes if pid != os.getpid() and needle in _read(pid, "environ").split(b"\0")}
    commands = {pid: _read(pid, "cmdline").replace(b"\0", b" ").decode(errors="replace").strip() for pid in found}
    return {pid: command for pid, command in commands.items() if command}


def children(pid: int) -> list[int]:
    """Return the processes that a process started."""
    return [child for child in _pids() if _parent(child) == pid]


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    return _parent(pid) is not None


def kill_session(stack: Stack) -> None:
    """End whatever is left of a stack."""
    for pid in members(stack):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    stack.process.wait(STOP_TIMEOUT_S)


def unique(prefix: str) -> str:
    """Return a name that no other test uses."""
    return f"{prefix}{secrets.token_hex(4)}"


def _call(method: str, url: str, body: Any, headers: Mapping[str, str]) -> Reply:
    content = None
    wanted = dict(headers)
    if body is not None:
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        wanted.setdefault("Content-Type", "application/json")
    # A connection for each request: the kernel deals them out, so every process of the edge gets its share.
    with urllib3.PoolManager(timeout=_TIMEOUT, retries=False) as client:
        reply = client.request(method, url, body=content, headers=wanted, redirect=False)
    return Reply(reply.status, {name.lower(): value for name, value in reply.headers.items()}, reply.data)


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _parent(pid: int) -> int | None:
    """Return the parent's id, None for what is gone or a zombie."""
    stat = _read(pid, "stat")
    state, parent, *_ = stat[stat.rindex(b")") + 1 :].split() if stat else (b"Z", b"0")
    return None if state in (b"Z", b"X") else int(parent)


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _ready(stack: Stack) -> bool:
    assert stack.process.poll() is None, "the supervisor is gone"
    # After a kill of its predecessor, what answers at first are the processes that one left.
    if any(_parent(stack.pid(name) or 0) != stack.process.pid for name in ("edge", "admin")):
        return False
    try:
        return (
            all(_call("GET", f"{url}/readyz", None, {}).status == 200 for url in (stack.admin_url, stack.edge_url))
            and (stack.home / "admin-token").exists()
        )
    except urllib3.exceptions.HTTPError:
        return False
