"""Processes a parked postback as soon as both it and its click are stored, in whichever order.

RACE: the task that commits second sees the other's rows. The clicks task looks for parked postbacks after its commit,
and the postbacks task looks for the clicks after its own. Maintenance processes what a process killed in between left.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import psycopg

from tracking.issues import IssueKind
from worker.conversions import Context, load_context, lock_claims
from worker.issues import open_issue
from worker.money import book_changes
from worker.postbacks.processing import process_claim
from worker.postbacks.table import (
    dropped_click_ids,
    flag_parked,
    lock_parked,
    parked_any,
    parked_claims,
    parked_click_ids,
    parked_of_clicks,
    save_decision,
    save_refusal,
    stored_click_ids,
)
from worker.runtime import Connection, Resources, is_transient, log, resources

PROCESSED_TOGETHER_MAX = 100
SWEEP_MAX = 1000
OVERDUE_HOURS = 24
_FIRST_ID = UUID(int=0)
_OVERDUE_TITLE = "Postbacks have waited for their clicks for more than a day"


def match_clicks(used: Resources, click_ids: Sequence[str] | Sequence[UUID]) -> int:
    """Process the postbacks that waited for these clicks; return how many were decided."""
    # PERF: postbacks hardly ever wait, and sending a thousand ids for nothing costs 3 microseconds a click.
    if not used.database.run(parked_any):
        return 0
    waiting = used.database.run(lambda connection: parked_of_clicks(connection, click_ids))
    return match_postbacks(used, waiting)


def sweep(used: Resources, within_s: float | None) -> int:
    """Process every parked postback whose click is stored, or was dropped, of the last `within_s` seconds or ever."""
    within = None if within_s is None else timedelta(seconds=within_s)
    matched, after = 0, _FIRST_ID
    goes_on = used.turn()
    while goes_on():
        click_ids = used.database.run(lambda connection, at=after: parked_click_ids(connection, at, within, SWEEP_MAX))  # type: ignore[misc]
        if click_ids:
            known = used.database.run(lambda connection, ids=click_ids: _decidable(connection, ids))  # type: ignore[misc]
            matched += match_clicks(used, known) if known else 0
            after = click_ids[-1]
        if len(click_ids) < SWEEP_MAX:
            break
    return matched


def flag_overdue() -> None:
    """Open an issue for each account with postbacks that have been parked for a day; count each postback once."""
    used = resources.current()
    goes_on = used.turn()
    while used.database.run(_flag_some) == SWEEP_MAX and goes_on():
        pass


def match_postbacks(used: Resources, postback_ids: Sequence[UUID]) -> int:
    """Process these postbacks if they are still parked and their click is stored; return how many were decided."""
    matched = 0
    if not postback_ids:
        return 0
    context = used.database.run(lambda connection: load_context(connection, used.geo.country))
    for at in range(0, len(postback_ids), PROCESSED_TOGETHER_MAX):
        together = postback_ids[at : at + PROCESSED_TOGETHER_MAX]
        matched += used.database.run(lambda connection, ids=together: _match(connection, ids, context))  # type: ignore[misc]
    used.tally.add(matched=matched)
    book_changes(used)
    return matched


def _decidable(connection: Connection, click_ids: Sequence[UUID]) -> list[UUID]:
    return [*stored_click_ids(connection, click_ids), *dropped_click_ids(connection, click_ids)]


def _flag_some(connection: Connection) -> int:
    with connection.transaction():
        found = flag_parked(connection, OVERDUE_HOURS, SWEEP_MAX)
        for each in sorted(found, key=lambda overdue: (str(overdue.merchant_id), overdue.received_at)):
            open_issue(
                connection,
                IssueKind.PARKED_POSTBACK,
                f"merchant:{each.merchant_id or 'none'}",
                _OVERDUE_TITLE,
                {"received_at": each.received_at.isoformat(), "query": each.query, "body": each.body},
                merchant_id=each.merchant_id,
                postback_id=each.postback_id,
                click_id=each.click_id,
            )
    return len(found)


def _match(connection: Connection, postback_ids: Sequence[UUID], context: Context) -> int:
    matched = 0
    with connection.transaction():
        # RACE: a batch of postbacks locks in the same order, first the claims and then the rows.
        lock_claims(connection, parked_claims(connection, postback_ids), context)
        for claim in lock_parked(connection, postback_ids):
            try:
                with connection.transaction():
                    decision = process_claim(connection, claim, context)
                    if decision is not None:
                        save_decision(connection, claim.postback_id, decision)
                        matched += 1
            except psycopg.Error as error:
                if is_transient(error):
                    raise
                log("postback-refused", logging.WARNING, postback=claim.postback_id, error=error)
                save_refusal(connection, claim.postback_id, str(error))
                matched += 1
    return matched
