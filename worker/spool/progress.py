"""How far a spool is stored: the row in PostgreSQL, locked until the commit that changes it, and its copy in Redis."""

from __future__ import annotations

import logging
import re
from typing import Any, NamedTuple

from psycopg.types.json import Jsonb
from redis import Redis, RedisError

from config.configuration import PROGRESS_KEY
from tracking.runtime import BATCH_RECORDS_MAX
from tracking.spool import Batch, Progress, Range, encode_progress
from worker.runtime import Connection, PermanentError, log

_SPOOL_ID = re.compile(r"[0-9]{1,6}-[0-9]{1,6}-[0-9a-f]{1,32}-([a-z]{1,20})")
_NUMBER_MAX = 2**62
# An arbitrary number that no other advisory lock uses.
_SPOOL_LOCKS = 7_761_001


class Counts(NamedTuple):
    """What became of the records that a batch accounts for and no earlier batch did."""

    stored: int = 0
    duplicates: int = 0
    poisoned: int = 0
    missing: int = 0


def check_batch(batch: Batch, stream: str) -> Batch:
    """Return `batch`, or raise PermanentError if no agent would write it for `stream`."""
    spool_id, first, payloads, missing = batch
    match = _SPOOL_ID.fullmatch(spool_id) if type(spool_id) is str else None
    if not match or match[1] != stream:
        raise PermanentError(f"not a spool of {stream}: {spool_id!r}")
    for name, number in (("first", first), ("missing", missing)):
        if type(number) is not int or not 0 <= number <= _NUMBER_MAX:
            raise PermanentError(f"{name} must be a record number, not {number!r}")
    if type(payloads) is not list or len(payloads) > BATCH_RECORDS_MAX:
        raise PermanentError(f"payloads must be a list of at most {BATCH_RECORDS_MAX} records")
    return batch


def lock_spool_shared(connection: Connection, spool_id: str) -> None:
    """Share a spool until the end of the transaction: nobody can lock it alone for so long."""
    connection.execute("select pg_advisory_xact_lock_shared(%s, hashtext(%s))", [_SPOOL_LOCKS, spool_id])


def lock_spool(connection: Connection, spool_id: str) -> None:
    """Wait until nobody shares a spool, then lock it alone until the end of the transaction."""
    connection.execute("select pg_advisory_xact_lock(%s, hashtext(%s))", [_SPOOL_LOCKS, spool_id])


def load_progress(connection: Connection, spool_id: str) -> Progress:
    """Return a spool's committed progress."""
    row = connection.execute("select done, ahead from spool_progress where spool_id = %s", [spool_id]).fetchone()
    return Progress() if row is None else _progress(row)


def lock_progress(connection: Connection, spool_id: str) -> Progress:
    """Return a spool's progress, and lock its row until the commit: the batches of a spool commit one by one."""
    while True:
        row = connection.execute(
            "select done, ahead from spool_progress where spool_id = %s for update", [spool_id]
        ).fetchone()
        if row is not None:
            return _progress(row)
        connection.execute("insert into spool_progress (spool_id) values (%s) on conflict do nothing", [spool_id])


def save_progress(connection: Connection, spool_id: str, progress: Progress, counts: Counts) -> None:
    """Write the progress of a locked spool and add to its counts."""
    connection.execute(
        "update spool_progress set done = %s, ahead = %s, stored = stored + %s, duplicates = duplicates + %s,"
        " poisoned = poisoned + %s, missing = missing + %s, updated_at = now() where spool_id = %s",
        [progress.done, Jsonb([list(each) for each in progress.ahead]), *counts, spool_id],
    )


def publish_progress(redis: Redis, spool_id: str, progress: Progress) -> None:
    """Tell the agent what is committed. If this fails, the agent sends the batch again, and it is published then."""
    try:
        redis.hset(PROGRESS_KEY, spool_id, encode_progress(progress))
    except RedisError as error:
        log("progress-unpublished", logging.WARNING, spool=spool_id, error=error)


def within(number: int, gaps: list[Range]) -> bool:
    """Whether a record number lies in one of `gaps`."""
    return any(low <= number < high for low, high in gaps)


def _progress(row: tuple[Any, ...]) -> Progress:
    return Progress(row[0], tuple((low, high) for low, high in row[1]))


def missing_in(batch: Batch, gaps: list[Range]) -> int:
    """Return how many of the batch's missing numbers lie in `gaps`."""
    low, high = batch.first + len(batch.payloads), batch.end
    return sum(max(0, min(high, end) - max(low, first)) for first, end in gaps)
