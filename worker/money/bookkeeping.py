"""Bookkeeping: what follows from each change of a conversion, exactly once. Entries here, deliveries by their planner.

A conversion is never booked by adding what a change is worth, but by appending what its entries lack of what it is
worth now. So booking it again changes nothing, and changes may be booked in any order and many at once.
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
    Item,
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
    save_all,
)
from worker.money.booking_terms import choose_terms
from worker.money.rates import Rates
from worker.money.valuation import asks_for_deposits, commission_of, plan_of, revenue_of
from worker.outgoing import plan_deliveries, ring
from worker.runtime import Connection, Resources, is_transient, log, resources

CHANGES_PER_ROUND = 200
_FIRST_ID = UUID(int=0)
# What has opened again meanwhile is news and stays open.
_RESOLVE_RATES = (
    "update issues set state = 'resolved', resolved_at = now(), revision = revision + 1,"
    " note = 'the rate is here, and what waited for it is booked'"
    " where kind = %s and state = 'open' and subject_key <> all(%s) and last_seen_at < %s"
)


def run_bookkeeping() -> None:
    """Task: book what operators changed, and what a process that was killed has left."""
    book_changes(resources.current())


def book_postponed() -> None:
    """Task: book again what waited for a rate, and what operators want booked under new terms."""
    used = resources.current()
    began_at = used.database.run(lambda connection: connection.execute("select now()").fetchone())
    after, booked = _FIRST_ID, 0
    missing: set[MissingRate] = set()
    while not used.stop.is_set():
        waiting = used.database.run(lambda connection, at=after: load_unfinished(connection, at, CHANGES_PER_ROUND))  # type: ignore[misc]
        if not waiting:
            break
        missing |= used.database.run(lambda connection, ids=waiting: book_all(connection, ids))  # type: ignore[misc]
        after, booked = waiting[-1], booked + len(waiting)
    if booked and not used.stop.is_set():
        still = [_rate_key(lack) for lack in missing]
        values = [IssueKind.RATE_MISSING.value, still, *(began_at or ())]
        used.database.run(lambda connection: connection.execute(_RESOLVE_RATES, values))
        log("booked-again", conversions=booked)


def book_changes(used: Resources) -> int:
    """Book every change that nobody has booked or is booking; return how many."""
    booked = planned = 0
    while not used.stop.is_set():
        changes, deliveries = used.database.run(_round)
        booked, planned = booked + changes, planned + deliveries
        if changes < CHANGES_PER_ROUND:
            break
    if planned:
        ring(used.redis)
    used.tally.add(booked=booked, planned=planned)
    return booked


def book(connection: Connection, conversion_id: UUID) -> None:
    """Bring the entries of one conversion, and of those that depend on it, to what they should be."""
    book_all(connection, [conversion_id])


def book_all(
    connection: Connection, conversion_ids: Sequence[UUID], change_ids: Mapping[UUID, int] | None = None
) -> set[MissingRate]:
    """Book conversions in one transaction; return the rates that are missing for some of them.

    `change_ids` are the newest changes that they are booked for.
    """
    with connection.transaction():
        lock_clicks(connection, conversion_ids)
        choose_terms(connection, conversion_ids)
        wanted = sorted({*conversion_ids, *load_dependants(connection, conversion_ids)})
        items = load_items(connection, wanted)
        plans = load_plans(connection, items)
        deposits = load_deposits(connection, {item.click_id for item in items if asks_for_deposits(item, plans)})
        booked = load_booked(connection, items)
        find_rate = Rates(connection)
        entries: list[Values] = []
        bookings: list[Values] = []
        missing: set[MissingRate] = set()
        news: dict[MissingRate, Item] = {}
        for item in items:
            plan = plan_of(item, plans)
            commission = commission_of(item, plan, deposits.get((item.click_id, item.merchant_id or 0), []), find_rate)
            earned = {plan.currency: commission.amount_minor} if plan is not None and commission.amount_minor else {}
            bookings.append(booking_row(item, commission, next(iter(earned), None)))
            lacking = [(Party.MERCHANT, revenue_of(item))]
            if commission.missing is None:
                lacking.append((Party.SOURCE, earned))
            else:
                # What is booked of it stays until it is known what should be.
                missing.add(commission.missing)
                if not item.postponed:
                    news.setdefault(commission.missing, item)
            change_id = (change_ids or {}).get(item.conversion_id)
            for party, target in lacking:
                for due in due_entries(party, target, booked.get((item.conversion_id, party), {})):
                    rate = commission.rate if party is Party.SOURCE and due.currency in target else None
                    entries.append(entry_row(item, party, due, change_id, rate))
        save_all(connection, entries, bookings)
        for lack in sorted(news):
            _open_rate_missing(connection, lack, news[lack])
    return missing


def _round(connection: Connection) -> tuple[int, int]:
    """Book the oldest changes; return how many, and how many deliveries they ask for."""
    with connection.transaction():
        changes = lock_unbooked(connection, CHANGES_PER_ROUND)
        if not changes:
            return 0, 0
        try:
            with connection.transaction():
                planned = _book_together(connection, changes)
        except psycopg.Error as error:
            if is_transient(error):
                raise
            planned = sum(_book_alone(connection, change) for change in changes)
        mark_booked(connection, changes)
    return len(changes), planned


def _book_together(connection: Connection, changes: Sequence[Change]) -> int:
    # Changes come oldest first, so that the newest one of each conversion stays.
    newest = {change.conversion_id: change.change_id for change in changes}
    book_all(connection, sorted(newest), newest)
    return sum(plan_deliveries(connection, change) for change in changes)


def _book_alone(connection: Connection, change: Change) -> int:
    """Book one change of a round that PostgreSQL refused, so that the one at fault does not hold up the others."""
    try:
        with connection.transaction():
            return _book_together(connection, [change])
    except psycopg.Error as error:
        if is_transient(error):
            raise
        log("booking-failed", logging.ERROR, change=change.change_id, conversion=change.conversion_id, error=error)
        open_issue(
            connection,
            IssueKind.BOOKING_FAILED,
            str(change.conversion_id),
            "A change of a conversion could not be booked",
            {"change_id": change.change_id, "error": str(error)},
            conversion_id=change.conversion_id,
        )
        return 0


def _open_rate_missing(connection: Connection, lack: MissingRate, item: Item) -> None:
    open_issue(
        connection,
        IssueKind.RATE_MISSING,
        _rate_key(lack),
        f"No exchange rate from {lack.source} to {lack.target} counts on {lack.day}",
        {
            "source": lack.source,
            "target": lack.target,
            "day": lack.day.isoformat(),
            "fix": "add it at /v1/exchange-rates; commissions that wait for it are booked within a minute",
        },
        merchant_id=item.merchant_id,
        conversion_id=item.conversion_id,
        click_id=item.click_id,
    )


def _rate_key(lack: MissingRate) -> str:
    return f"{lack.source}:{lack.target}:{lack.day}"
