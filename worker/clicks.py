"""The task of the clicks queue: store a batch exactly once, however often it comes and whatever came of it before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tracking.spool_address import Batch, Progress
from worker import resources
from worker.click_rows import ClickRow, Rules, click_row
from worker.click_table import add_click_days, insert_clicks
from worker.database import Connection
from worker.errors import StaleError
from worker.parked import match_clicks
from worker.poison import Poison, save_poison, separate
from worker.progress import (
    Counts,
    check_batch,
    lock_progress,
    missing_in,
    publish_progress,
    save_progress,
    within,
)
from worker.resources import Resources


class _Stored(NamedTuple):
    progress: Progress
    counts: Counts
    click_ids: list[str]


def store_batch(spool_id: str, first: int, payloads: list[str], missing: int = 0) -> None:
    """Store records first, first+1, … of a spool. Raises PermanentError, or RetryableError: PostgreSQL stays away."""
    used = resources.current()
    batch = check_batch(Batch(spool_id, first, payloads, missing), "clicks")
    rows, poison = parse_clicks(batch, Rules(used.click_id_keys, used.now_ms()))
    stored = used.database.run(lambda connection: _store(connection, used, batch, (rows, poison)))
    publish_progress(used.redis, spool_id, stored.progress)
    counts = stored.counts
    used.tally.add(batches=1, clicks=counts.stored, duplicates=counts.duplicates, poisoned=counts.poisoned)
    used.tally.add(missing=counts.missing)
    if stored.click_ids:
        match_clicks(used, stored.click_ids)


def parse_clicks(batch: Batch, rules: Rules) -> tuple[list[ClickRow], list[Poison]]:
    """Return the rows of a batch, and the records that are none. Pure. Raises KeysDifferError."""
    return separate(batch, lambda payload, number: click_row(payload, batch.spool_id, number, rules))


def _store(
    connection: Connection, used: Resources, batch: Batch, parsed: tuple[Sequence[ClickRow], Sequence[Poison]]
) -> _Stored:
    rows, poison = parsed
    used.partitions.ensure(connection, {row.partition for row in rows})
    try:
        with connection.transaction():
            progress = lock_progress(connection, batch.spool_id)
            gaps = progress.gaps(batch.first, batch.end)
            if not gaps:
                return _Stored(progress, Counts(), [])
            whole = gaps == [(batch.first, batch.end)]
            fresh = list(rows) if whole else [row for row in rows if within(row.number, gaps)]
            inserted = insert_clicks(connection, fresh)
            bad = [each for each in poison if within(each.number, gaps)]
            bad += [
                Poison(row.number, batch.payloads[row.number - batch.first], f"refused-by-postgresql: {error}")
                for row, error in inserted.culprits
            ]
            save_poison(connection, batch.spool_id, bad)
            stored = sum(inserted.days.values())
            counts = Counts(stored, len(fresh) - stored - len(inserted.culprits), len(bad), missing_in(batch, gaps))
            # Last before the commit: all spools share the rows of click_days, which are held from here to the commit.
            progress = progress.add(batch.first, batch.end)
            save_progress(connection, batch.spool_id, progress, counts)
            add_click_days(connection, inserted.days)
    except StaleError:
        used.partitions.forget()
        raise
    return _Stored(progress, counts, [row.click_id for row in fresh])
