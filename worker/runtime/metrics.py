"""Counts what a worker process did, in memory, and logs the counts every ten seconds if there are new ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from time import monotonic

from worker.runtime.logs import log

REPORT_INTERVAL_S = 10.0


class Tally:
    """Counters by name, since the last log line and since the process began."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._since = clock()
        self._fresh: Counter[str] = Counter()
        self.total: Counter[str] = Counter()

    def add(self, **counts: int) -> None:
        """Add to counters; zeros are ignored."""
        for name, count in counts.items():
            if count:
                self._fresh[name] += count
                self.total[name] += count

    def report(self, force: bool = False) -> None:
        """Log what was counted since the last line, unless that line is less than ten seconds old."""
        elapsed_s = self._clock() - self._since
        if not force and elapsed_s < REPORT_INTERVAL_S:
            return
        if self._fresh:
            log("stored", seconds=round(elapsed_s, 1), **dict(sorted(self._fresh.items())))
        self._fresh.clear()
        self._since = self._clock()
