"""The ledger compares what the edge answered for with what PostgreSQL holds. It can fail, or it would prove nothing.

    issued = stored + in flight + declared lost

Issued, and the records handed out, are the edge's own counts. Stored is counted from the inserted rows. PostgreSQL's
accounts come from the progress of spools; a record that is accounted for but not stored is a difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from time import monotonic, sleep, time
from typing import Any, NamedTuple

import falcon
import orjson
from redis import Redis
from redis.exceptions import RedisError

from admin_api.http import Route, Shown, operation
from admin_api.runtime import Database, Pool
from config.configuration import SPOOLS_KEY
from tracking.spool import stream_of

WAIT_S = 2.0
POLL_S = 0.05
STREAMS = ("clicks", "postbacks")


class SpoolReport(NamedTuple):
    """A spool as its agent reported it at Unix seconds `at`. `frames` are the record numbers handed out on disk."""

    issued: int
    declared_lost: int
    frames: int
    at: float


class StoredSpool(NamedTuple):
    """A spool as PostgreSQL knows it: `accounted` records were committed, but some could not be stored as rows."""

    accounted: int
    missing: int
    poisoned: int


class Stored(NamedTuple):
    """One state of the database: the rows of each stream, the spools, and the Unix seconds it is not newer than."""

    rows: Mapping[str, int]
    spools: Mapping[str, StoredSpool]
    read_at: float


class StreamFigures(Shown):
    """The five figures of one stream of records."""

    issued: int
    """Records that the edge answered for."""
    stored: int
    """Rows in the database."""
    in_flight: int
    """Records on the edge's disk that PostgreSQL does not account for yet."""
    declared_lost: int
    """Records that are known to be lost, each with its cause."""
    difference: int
    """Records that nobody can account for. It is 0 unless something is wrong."""


class Ledger(StreamFigures):
    """The figures of clicks and those of postbacks."""

    postbacks: StreamFigures
    as_of: datetime
    stale: bool
    """Whether a spool's report is older than the database's figures, so that the two may not fit together."""


class LedgerItem:
    """The ledger as a resource."""

    def __init__(self, pool: Pool, redis: Redis) -> None:
        self._pool = pool
        self._redis = redis

    @operation("Show the loss ledger")
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> Ledger:
        """The answer is issued = stored + in flight + declared lost, counted now and independently on each side."""
        with self._pool.connection() as database:
            return Ledger.of(load_ledger(database, self._redis, WAIT_S))


def load_ledger(database: Database, redis: Redis, wait_s: float) -> dict[str, Any]:
    """Return the ledger's JSON. `stale` says that a spool's report is older than the database's figures."""
    stored = load_stored(database)
    reports = _fresh_reports(lambda: load_reports(redis), stored, wait_s)
    figures = {stream: balance(stream, stored, reports) for stream in STREAMS}
    return {
        **figures["clicks"],
        "postbacks": figures["postbacks"],
        "as_of": datetime.fromtimestamp(stored.read_at, UTC),
        "stale": _is_stale(reports, stored),
    }


def balance(stream: str, stored: Stored, reports: Mapping[str, SpoolReport]) -> dict[str, int]:
    """Return the five figures of one stream. A spool without a report counts as issued what PostgreSQL accounts for."""
    known = {spool: counts for spool, counts in stored.spools.items() if stream_of(spool) == stream}
    reported = {spool: report for spool, report in reports.items() if stream_of(spool) == stream}
    unreported = [counts for spool, counts in known.items() if spool not in reported]
    nothing = StoredSpool(0, 0, 0)
    issued = sum(report.issued for report in reported.values()) + sum(counts.accounted for counts in unreported)
    in_flight = sum(report.frames - known.get(spool, nothing).accounted for spool, report in reported.items())
    declared_lost = sum(report.declared_lost for report in reported.values()) + sum(
        counts.missing + counts.poisoned for counts in known.values()
    )
    return {
        "issued": issued,
        "stored": stored.rows[stream],
        "in_flight": in_flight,
        "declared_lost": declared_lost,
        "difference": issued - stored.rows[stream] - in_flight - declared_lost,
    }


def load_stored(database: Database) -> Stored:
    """Return the database's side from one state."""
    with database.transaction():
        database.execute("set transaction isolation level repeatable read, read only")
        spools = database.execute("select spool_id, done, ahead, missing, poisoned from spool_progress").fetchall()
        # The time is taken after the snapshot, which the first query makes, so a later report covers the snapshot.
        read_at = time()
        rows = database.execute(
            "select (select coalesce(sum(clicks), 0)::bigint from click_days) as clicks,"
            " (select coalesce(sum(postbacks), 0)::bigint from postback_days) as postbacks"
        ).fetchone()
    assert rows is not None
    return Stored(
        rows,
        {
            row["spool_id"]: StoredSpool(
                row["done"] + sum(end - first for first, end in row["ahead"]), row["missing"], row["poisoned"]
            )
            for row in spools
        },
        read_at,
    )


def load_reports(redis: Redis) -> dict[str, SpoolReport]:
    """Return the agents' newest reports, or none while Redis is away."""
    try:
        raw: Mapping[Any, Any] = redis.hgetall(SPOOLS_KEY)
    except RedisError:
        return {}
    return {spool.decode(): _decode_report(data) for spool, data in raw.items()}


def _decode_report(data: bytes) -> SpoolReport:
    report = orjson.loads(data)
    return SpoolReport(report["issued"], report["declared_lost"], report["frames"], report["at"])


def _fresh_reports(load: Callable[[], dict[str, SpoolReport]], stored: Stored, wait_s: float) -> dict[str, SpoolReport]:
    """Return reports that are newer than the database's figures, or after `wait_s` the reports there are."""
    deadline = monotonic() + wait_s
    reports = load()
    while _is_stale(reports, stored) and monotonic() < deadline:
        sleep(POLL_S)
        reports = load()
    return reports


def _is_stale(reports: Mapping[str, SpoolReport], stored: Stored) -> bool:
    return not _covers(reports, stored.spools) or any(report.at < stored.read_at for report in reports.values())


def _covers(reports: Mapping[str, SpoolReport], spools: Iterable[str]) -> bool:
    return all(spool in reports for spool in spools)


def ledger_routes(pool: Pool, redis: Redis) -> list[Route]:
    """Return the route of the ledger."""
    return [Route("/v1/ledger", LedgerItem(pool, redis))]
