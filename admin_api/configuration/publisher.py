"""Publishes the database's configuration to Redis, in a thread of the admin process. One process at a time does so.

Every round looks at what Redis holds. If that is missing, of another epoch or at an impossible version, everything is
published anew; otherwise the keys in the outbox are published in their current state. So the next round mends a crash
at any point, and publishing a row twice does no harm:

    read rows and values → claim a version (commit) → write to Redis, if it holds what we saw → drop the rows (commit)
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import islice

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from redis import Redis
from redis.exceptions import RedisError

from admin_api.configuration.compilation import load_served, stream_served
from admin_api.runtime import (
    ADMIN_ROLE,
    CHANNEL,
    Database,
    Measurements,
    claim_versions,
    expand_sources,
    load_pending,
    load_publication,
    save_epoch,
    save_published,
)
from config.configuration import PublishedMeta, StalePublicationError, fetch_meta, publish, publish_everything

KEYS_PER_CHANGE_SET = 1000
ROWS_PER_ROUND = 300
POLL_S = 0.5
RETRY_S = 1.0
# PostgreSQL's advisory locks are numbers; this is the publisher's.
LOCK_NUMBER = 0x77617970_6F737401
_log = logging.getLogger("waypost.publisher")


class Publisher:
    """The publishing thread. `redis` must not retry by itself: a failed round begins again by reading Redis."""

    def __init__(self, database_url: str, redis: Redis, measurements: Measurements) -> None:
        self._database_url = database_url
        self._redis = redis
        self._measurements = measurements
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        # The kind of error that ended the last round, or None if it succeeded.
        self._failure: type[Exception] | None = None

    def start(self) -> None:
        """Start publishing."""
        self._thread.start()

    def stop(self, timeout_s: float = 10) -> None:
        """Finish the current round and end the thread."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._publish_while_connected()
            except (psycopg.Error, RedisError, StalePublicationError) as error:
                self._note_failure(error)
            except Exception as error:  # noqa: BLE001 - the loop's boundary
                self._note_failure(error, traceback=True)
            self._stopping.wait(RETRY_S)

    def _publish_while_connected(self) -> None:
        """Publish until stopped or until an error. The lock lives as long as the connection that all rounds use."""
        # Otherwise a half-open connection would keep the lock, and this thread, waiting for hours.
        patience = {"connect_timeout": 5, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
        with closing(
            psycopg.connect(self._database_url, autocommit=True, row_factory=dict_row, **patience)  # type: ignore[arg-type]
        ) as database:
            database.execute(sql.SQL("set role {}").format(sql.Identifier(ADMIN_ROLE)))
            while not _try_lock(database):
                if self._stopping.wait(RETRY_S):
                    return
            database.execute(f"listen {CHANNEL}")
            while not self._stopping.is_set():
                more = publish_round(database, self._redis, self._measurements)
                if self._failure is not None:
                    self._failure = None
                    _log.info("publishing works again")
                if not more:
                    for _ in database.notifies(timeout=POLL_S, stop_after=1):
                        pass

    def _note_failure(self, error: Exception, *, traceback: bool = False) -> None:
        """Count a failure, and log the first one of its kind in a row, so that an hour without Redis is one line."""
        self._measurements.publish_failures.inc()
        if type(error) is not self._failure:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            _log.warning("publishing failed, trying until it works: %s", reason, exc_info=error if traceback else None)
        self._failure = type(error)


def publish_round(database: Database, redis: Redis, measurements: Measurements) -> bool:
    """Publish what is pending, or everything if Redis does not hold what it should. Return whether more may be pending.

    `database` is in autocommit and holds the publisher's lock. Raises psycopg.Error, RedisError, StalePublicationError.
    """
    meta = fetch_meta(redis)
    recorded = load_publication(database)
    # At an older version, Redis came back without its newest writes. At a newer one, the database is an older copy.
    is_known = (
        meta is not None
        and meta.epoch == recorded.epoch
        and recorded.published_version <= meta.version <= recorded.version
    )
    if meta is None or not is_known:
        version = _publish_all(database, redis)
        _log.info("published the whole configuration as version %s", version)
        measurements.published_version.set(version)
        return True
    measurements.published_version.set(meta.version)
    expand_sources(database)
    pending = load_pending(database, ROWS_PER_ROUND)
    if not pending.change_ids:
        return False
    change_sets = list(_change_sets(load_served(database, pending.keys)))
    measurements.published_version.set(_publish_changes(database, redis, meta, change_sets, pending.change_ids))
    return len(pending.change_ids) == ROWS_PER_ROUND


def _publish_changes(
    database: Database,
    redis: Redis,
    meta: PublishedMeta,
    change_sets: list[dict[str, bytes | None]],
    change_ids: list[int],
) -> int:
    version = claim_versions(database, len(change_sets))
    previous = meta.version
    for changes in change_sets:
        publish(redis, meta.epoch, previous, version, changes)
        previous, version = version, version + 1
    save_published(database, previous, change_ids)
    return previous


def _publish_all(database: Database, redis: Redis) -> int:
    epoch = secrets.token_hex(8)
    save_epoch(database, epoch)
    version = claim_versions(database, 1)
    with database.transaction():
        database.execute("set transaction isolation level repeatable read")
        with closing(stream_served(database)) as served:
            publish_everything(redis, epoch, version, served)
        # This deletes the rows that this transaction sees. Their changes were just published; later rows stay.
        save_published(database, version, None)
    return version


def _change_sets(values: Mapping[str, bytes | None]) -> Iterator[dict[str, bytes | None]]:
    items = iter(values.items())
    while part := dict(islice(items, KEYS_PER_CHANGE_SET)):
        yield part


def _try_lock(database: Database) -> bool:
    row = database.execute("select pg_try_advisory_lock(%s) as held", [LOCK_NUMBER]).fetchone()
    return row is not None and bool(row["held"])
