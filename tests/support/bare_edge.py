"""One edge alone: a mirror filled by hand, no PostgreSQL, Redis or agent. What it recorded is read from its spool."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

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
from config.settings import EDGE_SERVERS
from edge.spool.segments import HEADER_BYTES, frames, segment_paths
from tracking.clicks import compile_template
from tracking.spool import Click, Postback, decode_click, decode_postback
from waiting import free_port, wait_until

ROOT = Path(__file__).resolve().parents[2]
HOST = "track.example"
SLUG = "link1"
TOKEN = "wpm_bare"
DESTINATION = "https://m.example/{x}?c={click_id}&s={sub1}"
EVERY_MACRO = (
    "https://m.example/{x}?u={user_agent}&r={referrer}&i={ip}&k={country}&o={source}&n={link_id}&g={slug}&t={timestamp}&c={click_id}&"
    + "&".join(f"s{number}={{sub{number}}}" for number in range(1, 11))
    + "#{x}"
)
# What systemd does: the socket is descriptor 3, and the environment says for which process it is.
_HAND_OVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"""
# Every server that EDGE_SERVER can name and that this Python has.
SERVERS = [
    name for name in EDGE_SERVERS if name != "auto" and (name != "meinheld" or importlib.util.find_spec("meinheld"))
]


@dataclass
class BareEdge:
    """A running edge, or postback intake. `process` is its main process."""

    server: str
    port: int
    home: Path
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        return (self.home / "edge.log").read_text(errors="replace")

    def clicks(self) -> list[Click]:
        """Return every click in the spool."""
        return [decode_click(payload) for payload in recorded(self.home / "spool", "clicks")]

    def postbacks(self) -> list[Postback]:
        """Return every postback in the spool."""
        return [decode_postback(payload) for payload in recorded(self.home / "spool", "postbacks")]

    def signal(self, what: signal.Signals) -> None:
        """Send a signal to the main process."""
        self.process.send_signal(what)


def recorded(spool_dir: Path, stream: str) -> list[bytes]:
    """Return every record of a stream, of whichever process."""
    found = []
    for directory in sorted(spool_dir.glob(f"*-{stream}")):
        for path in segment_paths(directory):
            data = path.read_bytes()
            found += [frame.payload for frame in frames(data, HEADER_BYTES, len(data))]
    return found


def fill_mirror(home: Path) -> None:
    """Write what a bare edge serves: one domain, links with a few and with all macros, and a merchant's token."""
    served = [(profile_key(HOST), encode_published(PublishedProfile(1, "Bare", True, "302", None, [], 300)))]
    for number, (slug, destination) in enumerate(((SLUG, DESTINATION), ("macros", EVERY_MACRO)), 1):
        parts = list(compile_template(destination, "destination_url"))
        served.append((link_key(1, slug), encode_published(PublishedLink(number, True, parts, None, [None] * 10))))
    served.append((token_key(TOKEN), encode_published(PublishedToken(1, "USD"))))
    writer = MirrorWriter(home / "mirror", 1 << 26)
    writer.replace(mirror_meta("bare", 1, "0-0"), served)
    writer.close()


def start_edge(server: str, home: Path, listener: socket.socket | None = None, **overrides: str) -> BareEdge:
    """Start an edge on the mirror in `home`; with `listener`, hand that socket over as systemd would."""
    port = int(overrides.get("EDGE_PORT") or (listener.getsockname()[1] if listener else free_port()))
    command = [sys.executable, "-m", "edge"]
    if listener:
        command = [sys.executable, "-c", _HAND_OVER, str(listener.fileno()), *command]
    return _start(command, server, home, {"EDGE_PORT": str(port), **overrides}, listener)


def start_intake(home: Path, **overrides: str) -> BareEdge:
    """Start a postback intake on the mirror in `home`."""
    ports = {"INTAKE_PORT": str(free_port()), "EDGE_PORT": "1"}
    return _start([sys.executable, "-m", "edge", "intake"], "auto", home, ports | overrides)


def _start(
    command: list[str],
    server: str,
    home: Path,
    settings: dict[str, str],
    listener: socket.socket | None = None,
) -> BareEdge:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    environ = kept | {
        "PYTHONPATH": str(ROOT),
        "WAYPOST_HOME": str(home),
        "EDGE_SERVER": server,
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "LOG_LEVEL": "warning",
        **settings,
    }
    with (home / "edge.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=[listener.fileno()] if listener else [],
        )
    edge = BareEdge(server, int(settings.get("INTAKE_PORT") or settings["EDGE_PORT"]), home, process)
    wait_until(lambda: _answers(edge), 60, f"the edge under {server} to answer")
    return edge


def end_edge(edge: BareEdge) -> None:
    """Leave nothing of an edge behind. A graceful stop takes seconds; tests about one ask for it themselves."""
    with suppress(ProcessLookupError):
        os.killpg(edge.process.pid, signal.SIGKILL)
    edge.process.wait(15)


@contextmanager
def running_edge(server: str, home: Path, **overrides: str) -> Iterator[BareEdge]:
    """Run an edge on a new mirror in `home`, an absent or empty directory."""
    home.mkdir(parents=True, exist_ok=True)
    fill_mirror(home)
    edge = start_edge(server, home, **overrides)
    try:
        yield edge
    finally:
        end_edge(edge)


def _answers(edge: BareEdge) -> bool:
    assert edge.process.poll() is None, f"the edge under {edge.server} is gone:\n{edge.log[-2000:]}"
    try:
        return urllib3.request("GET", f"http://127.0.0.1:{edge.port}/readyz", timeout=5.0, retries=False).status == 200
    except urllib3.exceptions.HTTPError:
        return False
