"""What is watched while a measurement runs: how far each spool is written and stored, and so how far storage lags."""

from __future__ import annotations

from bisect import bisect_left
from threading import Event, Thread
from time import monotonic
from typing import NamedTuple

import psycopg

from edge.spool import read_spool_counts, spool_directories
from loadtests.pipeline.stack import Stack
from tracking.spool import stream_of

INTERVAL_S = 0.25


class Sample(NamedTuple):
    """One look: when, how many records are on disk and stored, and how old the oldest unstored one is."""

    at: float
    written: int
    stored: int
    lag_s: float


class _History(NamedTuple):
    """When a spool was seen to hold how many records."""

    times: list[float]
    numbers: list[int]

    def lag(self, done: int, now: float) -> float:
        """Return how long ago record number `done`, the oldest that is not stored, was seen to be there."""
        if done >= self.numbers[-1]:
            return 0.0
        # The look before it was seen: the record may have been written right after, so this is the longest it can be.
        return now - self.times[max(bisect_left(self.numbers, done + 1) - 1, 0)]


class Sampler:
    """Looks four times a second, in a thread. Lags are upper bounds, a quarter of a second too long at most."""

    def __init__(self, stack: Stack) -> None:
        self.samples: list[Sample] = []
        self._spool_dir = stack.home / "spool"
        self._connection = stack.database()
        self._histories: dict[str, _History] = {}
        self._stopping = Event()
        self._thread = Thread(target=self._watch, name="sampler")

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self._connection.close()

    @property
    def last(self) -> Sample:
        """The newest sample; nothing before the first."""
        return self.samples[-1] if self.samples else Sample(monotonic(), 0, 0, 0.0)

    def _watch(self) -> None:
        while not self._stopping.wait(INTERVAL_S):
            self._look()

    def _look(self) -> None:
        now = monotonic()
        for directory in spool_directories(self._spool_dir):
            if stream_of(directory.name) == "clicks":
                history = self._histories.setdefault(directory.name, _History([], []))
                history.times.append(now)
                counts = read_spool_counts(directory)
                history.numbers.append(counts.numbers if counts else 0)
        done = stored_of(self._connection)
        lags = [history.lag(done.get(name, 0), now) for name, history in self._histories.items()]
        written = sum(history.numbers[-1] for history in self._histories.values())
        self.samples.append(Sample(now, written, sum(done.values()), max(lags, default=0.0)))


def stored_of(connection: psycopg.Connection[tuple[object, ...]]) -> dict[str, int]:
    """Return the number below which each spool of clicks is stored without a gap."""
    rows = connection.execute("select spool_id, done from spool_progress where spool_id like '%-clicks'").fetchall()
    return {str(name): int(str(done)) for name, done in rows}
