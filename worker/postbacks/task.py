"""The task of the postbacks queue: stores a batch exactly once and processes every postback whose click is stored."""

from __future__ import annotations

import logging
from collections import Counter
from uuid import UUID

import psycopg

from tracking.conversions import PostbackOutcome
from tracking.spool import Batch, Progress
from worker.conversions import Context, load_context, lock_claims
from worker.money import book_changes
from worker.postbacks.corrections import open_corrections
from worker.postbacks.parked import PROCESSED_TOGETHER_MAX, match_postbacks
from worker.postbacks.processing import process_claim
from worker.postbacks.rows import PostbackRow, postback_row
from worker.postbacks.table import claim_nonce, insert_postback, save_decision, save_replayed
from worker.retention import ensure_months, month_of
from worker.runtime import Connection, Resources, StaleError, is_transient, log, resources
from worker.spool import (
    Counts,
    Poison,
    Rules,
    check_batch,
    lock_progress,
    missing_in,
    publish_progress,
    save_poison,
    save_progress,
    separate,
    within,
)

Parsed = tuple[list[PostbackRow], list[Poison]]
# The tables that get a row of the month in which a postback was received.
_TABLES = ("postbacks", "postback_nonces")


def store_batch(spool_id: str, first: int, payloads: list[str], missing: int = 0) -> None:
    """Store a batch of a spool, from record `first` on. Raises PermanentError, or RetryableError without PostgreSQL."""
    used = resources.current()
    batch = check_batch(Batch(spool_id, first, payloads, missing), "postbacks")
    rules = Rules(used.click_id_keys, used.now_ms())
    context = used.database.run(lambda connection: load_context(connection, used.geo.country))
    parked: list[UUID] = []
    for part in _parts(batch):
        rows, poison = parse_postbacks(part, rules)
        progress, outcomes = used.database.run(
            lambda connection, each=part, parsed=(rows, poison): _store(connection, used, each, parsed, context)  # type: ignore[misc]
        )
        publish_progress(used.redis, spool_id, progress)
        used.tally.add(**Counter(outcomes.values()))
        parked += [postback_id for postback_id, outcome in outcomes.items() if outcome == PostbackOutcome.PARKED]
    # RACE: the task of a click committed meanwhile did not see the postback. Look again, now that it is committed.
    if parked:
        match_postbacks(used, parked)
    book_changes(used)


def parse_postbacks(batch: Batch, rules: Rules) -> Parsed:
    """Return the rows of a batch, and the records that cannot become rows. Pure. Raises KeysDifferError."""
    return separate(batch, lambda payload, number: postback_row(payload, number, rules))


def _parts(batch: Batch) -> list[Batch]:
    """Split a batch, since a transaction takes up to three locks a postback, and PostgreSQL has 6,400 by default."""
    starts = range(0, len(batch.payloads), PROCESSED_TOGETHER_MAX) or range(1)
    return [
        Batch(
            batch.spool_id,
            batch.first + at,
            batch.payloads[at : at + PROCESSED_TOGETHER_MAX],
            batch.missing if at == starts[-1] else 0,
        )
        for at in starts
    ]


def _store(
    connection: Connection, used: Resources, batch: Batch, parsed: Parsed, context: Context
) -> tuple[Progress, dict[UUID, str]]:
    """Store one part; return the spool's progress and the outcome of every new postback."""
    rows, poison = parsed
    outcomes: dict[UUID, str] = {}
    ensure_months(connection, used.known_months, _TABLES, {month_of(row.received_at) for row in rows})
    with connection.transaction():
        progress = lock_progress(connection, batch.spool_id)
        gaps = progress.gaps(batch.first, batch.end)
        if not gaps:
            return progress, {}
        fresh = [row for row in rows if within(row.number, gaps)]
        bad = [each for each in poison if within(each.number, gaps)]
        claims = [row.claim for row in fresh if row.claim is not None]
        lock_claims(connection, claims, context, [(row.raw.merchant_id, row.raw.nonce) for row in fresh])
        duplicates = 0
        for row in fresh:
            try:
                with connection.transaction():
                    outcome = _store_one(connection, row, batch.spool_id, context)
            except psycopg.Error as error:
                if is_transient(error):
                    raise
                if isinstance(error, psycopg.errors.CheckViolation) and error.diag.constraint_name is None:
                    used.known_months.clear()
                    raise StaleError("a month's partition is gone") from error
                log("postback-refused", logging.WARNING, postback=row.postback_id, error=error)
                bad.append(
                    Poison(row.number, batch.payloads[row.number - batch.first], f"refused-by-postgresql: {error}")
                )
                continue
            if outcome is None:
                duplicates += 1
            else:
                outcomes[row.postback_id] = outcome
        open_corrections(connection, [row for row in fresh if row.postback_id in outcomes])
        save_poison(connection, batch.spool_id, bad)
        progress = progress.add(batch.first, batch.end)
        counts = Counts(len(outcomes), duplicates, len(bad), missing_in(batch, gaps))
        save_progress(connection, batch.spool_id, progress, counts)
    return progress, outcomes


def _store_one(connection: Connection, row: PostbackRow, spool_id: str, context: Context) -> str | None:
    """Store and process one postback; return its outcome, or None if it was stored before."""
    if not insert_postback(connection, row, spool_id):
        return None
    if row.claim is None:
        return row.outcome.value
    if not claim_nonce(connection, row.raw.nonce, row.origin):
        save_replayed(connection, row.postback_id)
        return PostbackOutcome.REFUSED.value
    decision = process_claim(connection, row.claim, context)
    if decision is None:
        return PostbackOutcome.PARKED.value
    save_decision(connection, row.postback_id, decision)
    return decision.outcome.value
