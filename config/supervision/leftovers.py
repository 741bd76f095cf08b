"""Records in WAYPOST_HOME/run what a supervisor started, so that the next one can end what a kill -9 left running.

SECURITY: a process id alone never gets a signal. A leader must have begun when the record says; other processes
must carry the environment variable with the random mark of that run.
"""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple

import orjson

from config.supervision.process_table import identity, marked_with
from tracking.runtime import WaypostError

MARK = "WAYPOST_RUN"
_ASK_S = 10.0
_INSIST_S = 5.0


class LeftoverError(WaypostError):
    """A process of an earlier run cannot be ended."""

    code = "leftover"


class RunRecord:
    """The records of one run. Every process that it starts carries `mark` in its environment."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.mark = secrets.token_hex(16)
        _write(directory / "mark", self.mark.encode())

    def began(self, name: str, pid: int, stop_signal: int, stage: int) -> None:
        """Record a process; `pid` leads its own process group."""
        begun = identity(pid)
        if begun is not None:
            with suppress(OSError):  # A full disk must not stop a restart; the mark still finds most processes.
                _write(self._path(name), orjson.dumps([pid, begun, stop_signal, stage]))

    def ended(self, name: str) -> None:
        """Remove the record of a process."""
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.process"


def end_leftovers(directory: Path) -> int:
    """End the processes that an earlier run of this home left, forget the run, and return how many there were."""
    ended = 0
    records = [record for path in directory.glob("*.process") if (record := _read(path)) is not None]
    for stage in sorted({record.stage for record in records}):
        ended += _end([record for record in records if record.stage == stage], os.killpg)
    with suppress(FileNotFoundError):
        mark = (directory / "mark").read_text()
        stray = [_Record(pid, identity(pid), signal.SIGTERM, 0) for pid in marked_with(MARK, mark)]
        ended += _end(stray, os.kill)
    for path in directory.glob("*.process"):
        path.unlink()
    return ended


class _Record(NamedTuple):
    pid: int
    begun: str | None
    stop_signal: int
    stage: int

    def is_alive(self) -> bool:
        return self.begun is not None and identity(self.pid) == self.begun


def _end(records: list[_Record], kill: Callable[[int, int], None]) -> int:
    """Send each process its own signal, wait, then send `kill` to the rest. Return how many processes there were."""
    alive = [record for record in records if record.is_alive()]
    for record in alive:
        with suppress(ProcessLookupError):
            os.kill(record.pid, record.stop_signal)
    for wait_s, insist in ((_ASK_S, True), (_INSIST_S, False)):
        deadline = monotonic() + wait_s
        while (left := [record for record in alive if record.is_alive()]) and monotonic() < deadline:
            sleep(0.02)
        for record in left if insist else ():
            with suppress(ProcessLookupError):
                kill(record.pid, signal.SIGKILL)
    if left:
        raise LeftoverError(
            f"process {left[0].pid} of an earlier run does not end; end it, or set another WAYPOST_HOME"
        )
    return len(alive)


def _read(path: Path) -> _Record | None:
    try:
        return _Record(*orjson.loads(path.read_bytes()))
    except (orjson.JSONDecodeError, TypeError):
        return None  # A power cut cut the record short, and it ended the process too.


def _write(path: Path, data: bytes) -> None:
    draft = path.with_name(f"{path.name}.draft")
    draft.write_bytes(data)
    draft.replace(path)
