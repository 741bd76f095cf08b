"""The task of the clicks queue: stores a batch exactly once, however often it comes and whatever became of it before.

A batch that comes for the first time is inserted beside other batches of its spool. One that cannot be is inserted
while it has the spool to itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import psycopg

from config.geo import GeoDatabases
from tracking.spool import Batch, Progress
from tracking.visitors import VisitorKey, visitor_key
from worker.clicks.columns import ClickRows, fast_rows
from worker.clicks.partitions import ensure_partitions
from worker.clicks.rows import click_row
from worker.clicks.table import add_click_days, copy_clicks, day_arrays, insert_clicks
from worker.clicks.visitors import Visitors
from worker.postbacks import match_clicks
from worker.privacy import LateErasures, find_late, load_privacy_rules
from worker.runtime import Connection, Resources, StaleError, is_transient, resources
from worker.spool import (
    Counts,
    Poison,
    Rules,
    check_batch,
    load_progress,
    lock_progress,
    lock_spool,
    lock_spool_shared,
    missing_in,
    publish_progress,
    save_poison,
    save_progress,
    separate,
    within,
)
from worker.traffic import load_lists, note_batch

Parsed = tuple[ClickRows, Sequence[Poison]]
_NOTHING_LATE = LateErasures()


class _Stored(NamedTuple):
    progress: Progress
    counts: Counts
    click_ids: list[str]


def store_batch(spool_id: str, first: int, payloads: list[str], missing: int = 0) -> None:
    """Store the records of a spool from number `first` on. Raises PermanentError; RetryableError without PostgreSQL."""
    used = resources.current()
    batch = check_batch(Batch(spool_id, first, payloads, missing), "clicks")
    privacy, lists = used.database.run(
        lambda connection: (load_privacy_rules(connection, used.click_id_keys), load_lists(connection))
    )
    visitors = visitors_of(used)
    visitors.renew(privacy.storages, lists)
    rows, poison = parse_clicks(batch, Rules(used.click_id_keys, used.now_ms()), visitors)
    late = find_late(privacy, rows.click_ids, payloads)
    stored = used.database.run(lambda connection: _store(connection, used, batch, (rows, poison), late))
    publish_progress(used.redis, spool_id, stored.progress)
    counts = stored.counts
    used.tally.add(batches=1, clicks=counts.stored, duplicates=counts.duplicates, poisoned=counts.poisoned)
    used.tally.add(missing=counts.missing)
    if stored.click_ids:
        match_clicks(used, stored.click_ids)


def visitors_of(used: Resources) -> Visitors:
    """Return what is remembered of visitors, without what older databases said."""
    visitors = _remembered(used.geo, visitor_key(used.click_id_keys[0]))
    visitors.renew()
    return visitors


def parse_clicks(batch: Batch, rules: Rules, visitors: Visitors) -> Parsed:
    """Return the rows of a batch, and the records that are poison. Raises KeysDifferError."""
    usual = fast_rows(batch, rules, visitors)
    if usual is not None:
        usual.lists = visitors.lists.version
        return usual, []
    rows = ClickRows(lists=visitors.lists.version)
    good, poison = separate(batch, lambda payload, number: click_row(payload, batch.spool_id, number, rules, visitors))
    for row in good:
        rows.add(row)
    return rows, poison


@lru_cache(maxsize=1)
def _remembered(geo: GeoDatabases, key: VisitorKey) -> Visitors:
    return Visitors(geo, key)


def _store(
    connection: Connection, used: Resources, batch: Batch, parsed: Parsed, late: LateErasures = _NOTHING_LATE
) -> _Stored:
    rows, _ = parsed
    ensure_partitions(connection, used.known_partitions, rows.partitions)
    try:
        return _store_fresh(connection, batch, parsed, late) or _store_rest(connection, batch, parsed, late)
    except StaleError:
        used.known_partitions.clear()
        raise


def _store_fresh(connection: Connection, batch: Batch, parsed: Parsed, late: LateErasures) -> _Stored | None:
    """Store a batch of which nothing was stored before and nothing is refused; else do nothing and return None.

    PERF: the progress row is locked only after the rows are inserted, so that batches of one spool are inserted at the
    same time.
    """
    rows, poison = parsed
    whole = [(batch.first, batch.end)]
    try:
        with connection.transaction() as transaction:
            lock_spool_shared(connection, batch.spool_id)
            if load_progress(connection, batch.spool_id).gaps(batch.first, batch.end) != whole:
                raise psycopg.Rollback(transaction)
            # RACE: two batches with the same click meet here. The second waits until the first commits, and is refused.
            copy_clicks(connection, rows)
            late.apply(connection)
            arrays = day_arrays(rows.day_counts())
            save_poison(connection, batch.spool_id, poison)
            progress = lock_progress(connection, batch.spool_id)
            if progress.gaps(batch.first, batch.end) != whole:
                raise psycopg.Rollback(transaction)
            note_batch(connection, batch, rows.click_ids, rows.lists)
            counts = Counts(len(rows), 0, len(poison), batch.missing)
            return _Stored(_finish(connection, batch, progress, counts, arrays), counts, rows.click_ids)
    except psycopg.Error as error:
        if is_transient(error):
            raise
    return None


def _store_rest(connection: Connection, batch: Batch, parsed: Parsed, late: LateErasures) -> _Stored:
    """Store what is not stored yet of a batch, alone in its spool, and keep what PostgreSQL refuses as poison.

    RACE: it inserts with the progress row locked. Another batch that inserted the same clicks first, and locks that row
    after, would wait for this one while this one waits for it; so it keeps the others out.
    """
    rows, poison = parsed
    with connection.transaction():
        lock_spool(connection, batch.spool_id)
        progress = lock_progress(connection, batch.spool_id)
        gaps = progress.gaps(batch.first, batch.end)
        if not gaps:
            return _Stored(progress, Counts(), [])
        fresh = rows.within(gaps)
        inserted = insert_clicks(connection, fresh)
        late.apply(connection)
        bad = [each for each in poison if within(each.number, gaps)]
        bad += [
            Poison(number, batch.payloads[number - batch.first], f"refused-by-postgresql: {error}")
            for number, _, error in inserted.refused
        ]
        save_poison(connection, batch.spool_id, bad)
        note_batch(connection, batch, fresh.click_ids, rows.lists)
        stored = sum(inserted.days.values())
        counts = Counts(stored, len(fresh) - stored - len(inserted.refused), len(bad), missing_in(batch, gaps))
        return _Stored(_finish(connection, batch, progress, counts, day_arrays(inserted.days)), counts, fresh.click_ids)


def _finish(
    connection: Connection, batch: Batch, progress: Progress, counts: Counts, arrays: Sequence[str]
) -> Progress:
    """Write what comes last: all spools share the rows of click_days, which stay locked from here to the commit."""
    progress = progress.add(batch.first, batch.end)
    save_progress(connection, batch.spool_id, progress, counts)
    add_click_days(connection, arrays)
    return progress
