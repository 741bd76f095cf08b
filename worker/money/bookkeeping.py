"""Books each change of a conversion exactly once: appends its entries here, and has the planner plan its deliveries.

Booking does not add what a change is worth. It appends the difference between what the conversion is worth now and the
sum of its entries. So booking again changes nothing, and changes may be booked in any order and many at once.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from uuid import UUID

import psycopg

from tracking.issues import IssueKind
from tracking.money import MissingRate, Party, due_entries
from worker.conversions import Change, lock_unbooked, mark_booked
from worker.issues import open_issue
from worker.money.booking_table import (
    Bookable,
    Values,
    booking_row,
    entry_row,
    load_booked,
    load_dependants,
    load_deposits,
    load_items,
    load_plans,
    load_unfinished,
    lock_clicks,
    postponed_row,
    save_all,
    stop_waiting,
)
from worker.money.booking_terms import choose_terms
from worker.money.missing_rates import find_missing, missing_key, open_missing, resolve_found
from worker.money.rates import Rates
from worker.money.valuation import commission_of, needs_deposits, plan_of, revenue_of
from worker.outgoing import plan_deliveries, wake_dispatchers
from worker.runtime import Connection, Resources, is_transient, log, resources

CHANGES_PER_ROUND = 200
_FIRST_ID = UUID(int=0)


def run_bookkeeping() -> None:
    """Task: book the changes that operators made, and those that a killed process left unbooked."""
    book_changes(resources.current())


def book_postponed() -> None:
    """Task: book conversions whose missing rate is there now, and those that operators want booked under new terms."""
    used = resources.current()
    waiting = used.database.run(find_missing)
    after, booked = _FIRST_ID, 0
    goes_on = used.turn()
    while goes_on():
        ids = used.database.run(
            lambda connection, at=after: load_unfinished(connection, at, waiting.found, CHANGES_PER_ROUND)  # type: ignore[misc]
        )
        if not ids:
            used.database.run(lambda connection: resolve_found(connection, waiting.looked_at))
            break
        used.database.run(lambda connection, these=ids: _book_waiting(connection, these))  # type: ignore[misc]
        after, booked = ids[-1], booked + len(ids)
    if booked:
        log("booked-again", conversions=booked)


def book_changes(used: Resources) -> int:
    """Book unbooked changes that no other process is booking, as many as a turn allows; return how many."""
    booked = planned = 0
    goes_on = used.turn()
    while True:
        changes, deliveries = used.database.run(_round)
        booked, planned = booked + changes, planned + deliveries
        if changes < CHANGES_PER_ROUND or not goes_on():
            break
    if planned:
        wake_dispatchers(used.redis)
    used.tally.add(booked=booked, planned=planned)
    return booked


def book(connection: Connection, conversion_id: UUID) -> None:
    """Book one conversion and those that depend on it, so that their entries add up to what they are worth."""
    book_all(connection, [conversion_id])


def book_all(
    connection: Connection, conversion_ids: Sequence[UUID], change_ids: Mapping[UUID, int] | None = None
) -> None:
    """Book conversions in one transaction. `change_ids` has the newest change of each, which the entries refer to."""
    with connection.transaction():
        lock_clicks(connection, conversion_ids)
        choose_terms(connection, conversion_ids)
        wanted = sorted({*conversion_ids, *load_dependants(connection, conversion_ids)})
        items = load_items(connection, wanted)
        plans = load_plans(connection, items)
        deposits = load_deposits(connection, {item.click_id for item in items if needs_deposits(item, plans)})
        booked = load_booked(connection, items)
        find_rate = Rates(connection)
        entries: list[Values] = []
        bookings: list[Values] = []
        postponed: list[Values] = []
        news: dict[MissingRate, Bookable] = {}
        for item in items:
            plan = plan_of(item, plans)
            commission = commission_of(item, plan, deposits.get((item.click_id, item.merchant_id or 0), []), find_rate)
            earned = {plan.currency: commission.amount_minor} if plan is not None and commission.amount_minor else {}
            lacking = [(Party.MERCHANT, revenue_of(item))]
            if commission.missing is None:
                bookings.append(booking_row(item, commission, next(iter(earned), None)))
                lacking.append((Party.SOURCE, earned))
            else:
                # Entries booked before stay as they are until the rate is known.
                key = missing_key(commission.missing)
                postponed.append(postponed_row(item, commission, key))
                if item.missing_rate != key:
                    news.setdefault(commission.missing, item)
            change_id = (change_ids or {}).get(item.conversion_id)
            for party, target in lacking:
                for due in due_entries(party, target, booked.get((item.conversion_id, party), {})):
                    rate = commission.rate if party is Party.SOURCE and due.currency in target else None
                    entries.append(entry_row(item, party, due, change_id, rate))
        save_all(connection, entries, bookings, postponed)
        for missing in sorted(news):
            open_missing(connection, missing, news[missing])


def _round(connection: Connection) -> tuple[int, int]:
    """Book the oldest changes; return how many there were, and how many deliveries were planned."""
    with connection.transaction():
        changes = lock_unbooked(connection, CHANGES_PER_ROUND)
        if not changes:
            return 0, 0
        # Changes come oldest first, so the dictionary keeps the newest change of each conversion.
        newest = {change.conversion_id: change.change_id for change in changes}
        if not _book_together(connection, sorted(newest), newest):
            for change in changes:
                _book_alone(connection, change.conversion_id, change.change_id)
        planned = _plan(connection, changes)
        mark_booked(connection, changes)
    return len(changes), planned


def _book_waiting(connection: Connection, conversion_ids: Sequence[UUID]) -> None:
    """Book conversions that waited for a rate or are to be booked under new terms."""
    with connection.transaction():
        if not _book_together(connection, conversion_ids, {}):
            for conversion_id in conversion_ids:
                _book_alone(connection, conversion_id, None)


def _book_together(connection: Connection, conversion_ids: Sequence[UUID], change_ids: Mapping[UUID, int]) -> bool:
    """Book conversions; return False, with nothing booked, when PostgreSQL refuses one of them."""
    try:
        book_all(connection, conversion_ids, change_ids)
    except psycopg.Error as error:
        if is_transient(error):
            raise
        return False
    return True


def _book_alone(connection: Connection, conversion_id: UUID, change_id: int | None) -> None:
    """Book a conversion by itself. If PostgreSQL refuses it, open an issue, so that it does not hold up the others."""
    try:
        book_all(connection, [conversion_id], {} if change_id is None else {conversion_id: change_id})
    except psycopg.Error as error:
        if is_transient(error):
            raise
        _report(connection, "booked", conversion_id, change_id, error)
        _leave_to_operator(connection, conversion_id)


def _leave_to_operator(connection: Connection, conversion_id: UUID) -> None:
    """Give a conversion that cannot be booked its terms only: an operator needs them to ask for another booking."""
    try:
        with connection.transaction():
            choose_terms(connection, [conversion_id])
            stop_waiting(connection, conversion_id)
    except psycopg.Error as error:
        if is_transient(error):
            raise


def _plan(connection: Connection, changes: Sequence[Change]) -> int:
    """Plan the deliveries of changes, booked or not: a booking can be repeated later, but nothing plans these again."""
    try:
        with connection.transaction():
            return sum(plan_deliveries(connection, change) for change in changes)
    except psycopg.Error as error:
        if is_transient(error):
            raise
        if len(changes) == 1:
            _report(connection, "reported to partners", changes[0].conversion_id, changes[0].change_id, error)
            return 0
    return sum(_plan(connection, [change]) for change in changes)


def _report(
    connection: Connection, done: str, conversion_id: UUID, change_id: int | None, error: psycopg.Error
) -> None:
    log("booking-failed", logging.ERROR, change=change_id, conversion=conversion_id, error=error)
    open_issue(
        connection,
        IssueKind.BOOKING_FAILED,
        str(conversion_id),
        f"A change of a conversion could not be {done}",
        {"change_id": change_id, "error": str(error)},
        conversion_id=conversion_id,
    )
