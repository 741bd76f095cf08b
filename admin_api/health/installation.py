"""The state of the installation: asks the probes, and puts the judgements together."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import Any

from redis import Redis

from admin_api.health.certificates import CertificateWatch
from admin_api.health.facts import (
    DatabaseFacts,
    RedisFacts,
    load_database_bytes,
    load_database_facts,
    load_redis_facts,
)
from admin_api.health.hosts import judge_redis
from admin_api.health.judgement import (
    judge_backlog,
    judge_certificates,
    judge_clocks,
    judge_database,
    judge_losses,
    judge_publishing,
    judge_size,
    worst,
)
from admin_api.health.objects import Health, HealthPart
from admin_api.health.probe import Probe
from admin_api.runtime import Pool
from admin_api.spool import load_ledger

_HOUR_S = 3600.0
_ORDER = tuple(HealthPart)
_SIZE_FRESH_S = 60.0


class Installation:
    """What is known of the installation. Each question costs at most what its probes have not answered of late."""

    def __init__(self, pool: Pool, redis: Redis, certificates: CertificateWatch) -> None:
        self._database = Probe("PostgreSQL", partial(load_database_facts, pool))
        self._size = Probe("the size of the database", partial(load_database_bytes, pool), fresh_s=_SIZE_FRESH_S)
        self._redis = Probe("Redis", partial(load_redis_facts, redis))
        self._ledger = Probe("the ledger", partial(_ledger, pool, redis))
        self._certificates = certificates
        self._losses = LossesOfAnHour()
        self._behind = HostsBehind()

    def facts(self) -> tuple[DatabaseFacts | None, RedisFacts | None]:
        """Return what PostgreSQL and Redis say now."""
        return self._database.read(), self._redis.read()

    def size(self) -> int | None:
        """Return the bytes of the database."""
        return self._size.read()

    def certificate_days(self) -> dict[str, float]:
        """Return the days that certificates are valid for, by domain, of those that answer."""
        return {name: left for name, left in (self._certificates.days() or {}).items() if left is not None}

    def health(self) -> Health:
        """Return the state of all parts, in the order of HealthPart."""
        database, redis = self.facts()
        ledger = self._ledger.read()
        parts = [
            *judge_database(database),
            *judge_redis(redis, self._behind.note(redis)),
            judge_backlog(ledger),
            judge_losses(ledger, self._losses.note(ledger)),
            judge_publishing(database),
            judge_size(self.size()),
            judge_certificates(self._certificates.days()),
            judge_clocks(database, redis),
        ]
        parts.sort(key=lambda part: _ORDER.index(part.part))
        return Health(state=worst([part.state for part in parts]), as_of=datetime.now(UTC), parts=parts)


class LossesOfAnHour:
    """How many records were declared lost in the last hour, as far as this process was asked."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque()

    def note(self, ledger: dict[str, Any] | None) -> int:
        """Take a ledger into account and return the number."""
        now = self._clock()
        if ledger is not None:
            lost = ledger["declared_lost"] + ledger["postbacks"]["declared_lost"]
            if not self._seen or self._seen[-1][1] != lost:
                self._seen.append((now, lost))
        # The last one of before this hour says what there was at its beginning.
        while len(self._seen) > 1 and self._seen[1][0] < now - _HOUR_S:
            self._seen.popleft()
        return max(0, self._seen[-1][1] - self._seen[0][1]) if self._seen else 0


class HostsBehind:
    """Since when hosts serve an older configuration than what is published, as far as this process was asked."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._since: dict[str, float] = {}

    def note(self, facts: RedisFacts | None) -> dict[str, float]:
        """Take what Redis says into account, and return the seconds by host."""
        if facts is not None:
            published = (facts.epoch, facts.published_version)
            behind = {node for node, host in facts.hosts.items() if (host.epoch, host.version) != published}
            self._since = {node: self._since.get(node, self._clock()) for node in behind}
        return {node: self._clock() - since for node, since in self._since.items()}


def _ledger(pool: Pool, redis: Redis) -> dict[str, Any]:
    redis.ping()
    with pool.connection(timeout=2.0) as database:
        return load_ledger(database, redis, wait_s=0.5)
