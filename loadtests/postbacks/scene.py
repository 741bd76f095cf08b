"""Real processes to measure: an edge, the postback intake where it is wanted, and a Valkey, on a mirror filled by hand.

A slower disk is had by a module that Python loads at its start and that makes every fdatasync take longer.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple

import urllib3

from config.configuration import (
    MirrorWriter,
    PublishedLink,
    PublishedProfile,
    PublishedToken,
    encode_published,
    link_key,
    mirror_meta,
    profile_key,
    token_key,
)
from config.embedded import embedded_valkey
from config.settings import inherited_environment
from tracking.clicks import ClickIdMint, ProcessIdentity, compile_template
from tracking.runtime import WaypostError

ROOT = Path(__file__).resolve().parents[2]
HOST = "bench.example"
TOKEN = "wpm_bench"  # noqa: S105
SHARED, OWN = "one process", "a process of its own"
_MIRROR_BYTES = 1 << 28
_KEY = bytes(range(32))
_START_S = 30.0
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR")
_SLOW_DISK = """\
import os, time
_sync = os.fdatasync
def fdatasync(descriptor):
    time.sleep({seconds})
    _sync(descriptor)
os.fdatasync = fdatasync
"""


class SceneError(WaypostError):
    """Something does not start; the message holds what it said."""

    code = "scene-failed"


class Place(NamedTuple):
    """Where clicks and where postbacks go."""

    clicks_port: int
    postbacks_port: int


@contextmanager
def running(server: str, sync_ms: float) -> Iterator[dict[str, Place]]:
    """Run both arrangements side by side, each on a spool of its own; one is idle while the other is measured."""
    directory = Path(tempfile.mkdtemp(prefix="waypost-postbacks-"))
    try:
        with ExitStack() as stack:
            redis_url, _ = stack.enter_context(running_valkey(directory / "valkey"))
            environ = _environ(directory, redis_url, server, sync_ms)
            places = {}
            for name, place in ((SHARED, "shared"), (OWN, "own")):
                home = directory / place
                _fill_mirror(home)
                ports = free_port(), free_port()
                own = {"WAYPOST_HOME": str(home), "EDGE_PORT": str(ports[0]), "INTAKE_PORT": str(ports[1])}
                stack.enter_context(_process([], environ | own, ports[0], home / "edge.log"))
                if name == OWN:
                    stack.enter_context(_process(["intake"], environ | own, ports[1], home / "intake.log"))
                places[name] = Place(ports[0], ports[1] if name == OWN else ports[0])
            yield places
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def click_ids(count: int) -> list[str]:
    """Return ids that the scene's processes take for clicks of their own."""
    mint = ClickIdMint((_KEY,), ProcessIdentity(1, 100, 1))
    return [mint.mint()[0] for _ in range(count)]


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _environ(directory: Path, redis_url: str, server: str, sync_ms: float) -> dict[str, str]:
    inherited = inherited_environment()
    paths = [str(ROOT)]
    if sync_ms:
        slow = directory / "slow-disk"
        slow.mkdir()
        (slow / "sitecustomize.py").write_text(_SLOW_DISK.format(seconds=sync_ms / 1000))
        paths.insert(0, str(slow))
    environ = {name: inherited[name] for name in _KEPT if name in inherited}
    return environ | {
        "PYTHONPATH": ":".join(paths),
        "REDIS_URL": redis_url,
        "CLICK_ID_KEYS": _KEY.hex(),
        "EDGE_SERVER": server,
        "EDGE_WORKERS": "1",
        "EDGE_NODE_ID": "1",
        "LOG_LEVEL": "warning",
    }


def _fill_mirror(home: Path) -> None:
    home.mkdir()
    parts = list(compile_template("https://m.example/p?c={click_id}&s={sub1}", "destination_url"))
    writer = MirrorWriter(home / "mirror", _MIRROR_BYTES)
    served = {
        profile_key(HOST): encode_published(PublishedProfile(1, "Bench", True, "302", None, [], 300)),
        link_key(1, "link1"): encode_published(PublishedLink(1, True, parts, None, [None] * 10)),
        token_key(TOKEN): encode_published(PublishedToken(1, "USD")),
    }
    writer.replace(mirror_meta("bench", 1, "0-0"), served.items())
    writer.close()


@contextmanager
def running_valkey(home: Path) -> Iterator[tuple[str, int]]:
    """Run a Valkey of its own. Yield its URL and its process id."""
    server = embedded_valkey(home, free_port(), "bench")
    server.prepare()
    with (home / "valkey.log").open("wb") as log:
        process = subprocess.Popen(server.command(), stdout=log, stderr=log, cwd=server.directory)
    try:
        _wait(lambda: server.is_ready(process.pid), process, home / "valkey.log")
        yield server.url(), process.pid
    finally:
        end(process)


@contextmanager
def _process(part: list[str], environ: dict[str, str], port: int, log_path: Path) -> Iterator[None]:
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "edge", *part], cwd=ROOT, env=environ, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait(lambda: _answers(port), process, log_path)
        yield
    finally:
        end(process)


def _answers(port: int) -> bool:
    try:
        return urllib3.request("GET", f"http://127.0.0.1:{port}/readyz", timeout=2.0, retries=False).status == 200
    except urllib3.exceptions.HTTPError:
        return False


def _wait(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = monotonic() + _START_S
    while not ready():
        if process.poll() is not None or monotonic() > deadline:
            raise SceneError(f"a process does not start; it said:\n{log.read_text(errors='replace')[-2000:]}")
        sleep(0.02)


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop a process, by force if it takes long."""
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
