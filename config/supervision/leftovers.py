"""What a supervisor started, on record in WAYPOST_HOME/run, so that the next one ends what a kill -9 left running.

SECURITY: nothing is signalled on its process id alone. A leader must have begun when the record says; others must carry
the environment variable with the random mark of that run.
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
    """A process of an earlier run that cannot be ended."""

    code = "leftover"


class RunRecord:
    """The records of one run: `mark` is in the environment of everything it starts."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.mark = secrets.token_hex(16)
        _write(directory / "mark", self.mark.encode())

    def began(self, name: str, pid: int, stop_signal: int, stage: int) -> None:
        """Put a process on record; `pid` leads its own process group."""
        begun = identity(pid)
        if begun is not None:
            with suppress(OSError):  # A full disk must not stop a restart; the mark still finds most of them.
                _write(self._path(name), orjson.dumps([pid, begun, stop_signal, stage]))

    def ended(self, name: str) -> None:
        """Take it off the record."""
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.process"


def end_leftovers(directory: Path) -> int:
    """End what an earlier run of this home left running and forget it; return how many processes that were."""
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
    """Ask with each one's own signal, wait, then insist with `kill`; return how many there were."""
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
        return None  # Cut short by a power cut, which ended the process too.


def _write(path: Path, data: bytes) -> None:
    draft = path.with_name(f"{path.name}.draft")
    draft.write_bytes(data)
    draft.replace(path)
