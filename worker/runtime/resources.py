"""What the tasks of a process use. RQ calls a task with JSON arguments only, so the rest is installed at start."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from threading import Event
from time import monotonic, time

from redis import Redis

from config.geo import GeoDatabases
from config.settings import ReportSettings, RetentionDays, default_retention
from tracking.traffic import TrafficLimits
from worker.runtime.database import Database
from worker.runtime.errors import PermanentError
from worker.runtime.metrics import Tally

# How long a task works when its next run can continue the work. It is less than the timeout of its job (120 s), which
# would interrupt a transaction.
TURN_S = 60.0


@dataclass(frozen=True, slots=True)
class Resources:
    """One process's connections and counters. `stop` is set when the process is to end; `now_s` gives Unix seconds.

    `wake` is set when deliveries may be due before the dispatcher next looks. With `rates_file` None, the file in the
    package is used.
    """

    database: Database
    redis: Redis
    click_id_keys: Sequence[bytes]
    stop: Event
    geo: GeoDatabases = field(default_factory=GeoDatabases)
    # Day numbers of the partitions of clicks that are known to exist; see worker.clicks.
    known_partitions: set[int] = field(default_factory=set)
    # Tables and months with a partition that is known to exist; see worker.retention.
    known_months: set[tuple[str, date]] = field(default_factory=set)
    retention: RetentionDays = field(default_factory=default_retention)
    tally: Tally = field(default_factory=Tally)
    now_s: Callable[[], float] = time
    wake: Event = field(default_factory=Event)
    rates_file: Path | None = None
    turn_s: float = TURN_S
    traffic: TrafficLimits = field(default_factory=TrafficLimits)
    reports: ReportSettings = field(default_factory=ReportSettings)

    def now_ms(self) -> int:
        """Return Unix milliseconds."""
        return int(self.now_s() * 1000)

    def turn(self) -> Callable[[], bool]:
        """Return a function that says whether a task may go on, or must leave the rest to its next run."""
        ends_at = monotonic() + self.turn_s
        return lambda: not self.stop.is_set() and monotonic() < ends_at


_installed: list[Resources] = []


def install(resources: Resources) -> None:
    """Let every task that runs from now on in this process use `resources`."""
    _installed[:] = [resources]


def current() -> Resources:
    """Return the resources that were installed."""
    if not _installed:
        raise PermanentError("tasks run in a worker process: python -m worker clicks|postbacks|deliveries|maintenance")
    return _installed[0]
