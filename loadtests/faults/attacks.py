"""Carries out a plan of faults against a running stack, and lifts each again.

A victim that is not there right now, since the last fault took it, is waited for while the others go on.
"""

from __future__ import annotations

import heapq
import os
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from threading import Event
from time import monotonic
from typing import NamedTuple

import redis

from config.supervision import identity
from loadtests.faults.menu import BACKEND, EDGE_WORKER, FILL, FLUSH, KILL, RELOAD, STEP, STOP, Fault
from loadtests.faults.stack import BrokenStack, children

_AGAIN_S = 0.3
_TRIES = 60
_CHUNK_BYTES = 1 << 20
_BALLAST = "ballast"
_AT_THE_EDGE = (EDGE_WORKER, "edge")


class Done(NamedTuple):
    """A fault that was carried out: from when (monotonic) to when, on whom."""

    began: float
    ended: float
    fault: Fault

    @property
    def at_the_edge(self) -> bool:
        """Whether it was on an edge process itself, so that connections to it may break."""
        return self.fault.kind == RELOAD or self.fault.target in _AT_THE_EDGE

    @property
    def at_the_intake(self) -> bool:
        """Whether it was on the postback intake, so that connections to that may break."""
        return self.fault.target == "intake"

    @property
    def label(self) -> str:
        """Its row in the report."""
        return f"{self.fault.kind} {self.fault.target}".strip()


class Attacks:
    """One run of a plan. `done` grows while it runs; `given_up` are faults whose victim never came back."""

    def __init__(self, stack: BrokenStack) -> None:
        self._stack = stack
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._lifts: dict[int, Callable[[], None]] = {}
        self.done: list[Done] = []
        self.given_up: list[Fault] = []

    def run(self, faults: list[Fault], stopping: Event, tick: Callable[[], None] = lambda: None) -> None:
        """Carry out all of it, then lift what is still in force."""
        begin = monotonic()
        for fault in faults:
            self._at(begin + fault.at_s, lambda fault=fault: self._strike(fault, 0))  # type: ignore[misc]
        try:
            while self._agenda and not stopping.is_set():
                at, _, action = self._agenda[0]
                if monotonic() < at:
                    stopping.wait(min(0.2, max(0.0, at - monotonic())))
                    tick()
                    continue
                heapq.heappop(self._agenda)
                action()
        finally:
            for lift in list(self._lifts.values()):
                lift()

    @property
    def counts(self) -> Counter[str]:
        """How often each fault was carried out."""
        return Counter(done.label for done in self.done)

    @property
    def kills(self) -> int:
        """How many processes were killed."""
        return sum(done.fault.kind == KILL for done in self.done)

    def _at(self, moment: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (moment, next(self._order), action))

    def _strike(self, fault: Fault, tries: int) -> None:
        if self._carry_out(fault):
            now = monotonic()
            self.done.append(Done(now, now + fault.hold_s, fault))
        elif tries < _TRIES:
            self._at(monotonic() + _AGAIN_S, lambda: self._strike(fault, tries + 1))
        else:
            self.given_up.append(fault)

    def _carry_out(self, fault: Fault) -> bool:
        if fault.kind == FLUSH:
            return self._flush()
        if fault.kind == FILL:
            return self._fill(fault)
        if fault.kind == STEP:
            return self._step_clock(fault)
        pids = self._victims(fault)
        if fault.kind == STOP:
            return self._stop(fault, pids)
        return _signal(pids, signal.SIGKILL if fault.kind == KILL else signal.SIGHUP)

    def _victims(self, fault: Fault) -> list[int]:
        """Return whom a fault hits: the process on record, or one of its children, or PostgreSQL with all of them."""
        leader = self._stack.pid({EDGE_WORKER: "edge", BACKEND: "postgres"}.get(fault.target, fault.target or "edge"))
        if leader is None:
            return []
        if fault.target in (EDGE_WORKER, BACKEND):
            below = children(leader)
            return [below[fault.pick % len(below)]] if below else []
        if fault.kind == STOP and fault.target == "postgres":
            return [leader, *children(leader)]
        return [leader]

    def _stop(self, fault: Fault, pids: list[int]) -> bool:
        begun = {pid: identity(pid) for pid in pids}
        if not _signal(pids, signal.SIGSTOP):
            return False

        def go_on() -> None:
            _signal([pid for pid, known in begun.items() if known and identity(pid) == known], signal.SIGCONT)

        self._lift_later(fault, go_on)
        return True

    def _flush(self) -> bool:
        try:
            with redis.Redis.from_url(self._stack.redis_url, socket_timeout=1, socket_connect_timeout=1) as client:
                client.flushall()
        except redis.RedisError:
            return False
        return True

    def _fill(self, fault: Fault) -> bool:
        """Leave the spool not a byte: by ballast in its own file system, else by stopping what empties it."""
        if not self._stack.tmpfs:
            agent = self._stack.pid("agent")
            return agent is not None and self._stop(fault, [agent])
        ballast = self._stack.spool_dir / _BALLAST
        if ballast.exists():
            return False
        with ballast.open("wb", buffering=0) as file, suppress(OSError):
            while file.write(bytes(_CHUNK_BYTES)) == _CHUNK_BYTES:
                pass
        self._lift_later(fault, lambda: ballast.unlink(missing_ok=True))
        return True

    def _step_clock(self, fault: Fault) -> bool:
        clock = self._stack.clock
        if clock is None or clock.offset_s:
            return False
        clock.step(fault.amount)
        self._lift_later(fault, lambda: clock.step(0))
        return True

    def _lift_later(self, fault: Fault, lift: Callable[[], None]) -> None:
        key = next(self._order)
        self._lifts[key] = lift

        def run() -> None:
            self._lifts.pop(key)()

        self._at(monotonic() + fault.hold_s, run)


def _signal(pids: list[int], number: signal.Signals) -> bool:
    """Signal processes; return whether the first one was still there."""
    reached = []
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
            reached.append(pid)
    return bool(reached) and reached[0] == pids[0]
