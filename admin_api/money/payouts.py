"""The REST resources of payouts: the list, one of them, decisions, export, and making them by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import falcon

from admin_api.http import (
    Body,
    Chosen,
    Page,
    Revisions,
    actor_of,
    csv_pieces,
    operation,
    page_of,
    sorted_query,
)
from admin_api.money.payout_objects import (
    Approval,
    DuePayout,
    Payment,
    Payout,
    PayoutChanges,
    PayoutRunOptions,
    PayoutRunResult,
    Rejection,
    show_payout,
)
from admin_api.money.payout_table import (
    SORTS,
    PayoutFilter,
    approve_payout,
    change_payout,
    load_payout,
    load_payouts,
    pay_payout,
    payout_order,
    reject_payout,
    run_payouts,
)
from admin_api.runtime import Pool, Row
from tracking.money import format_amount
from tracking.runtime import FieldError

EXPORT_ROWS_AT_ONCE = 1000
_BY_NUMBER = payout_order("payout_id")
_EXPORTED = (
    *("payout_id", "source_id", "source", "currency", "payout_schedule", "period_ends_at", "state", "entries"),
    *("computed", "override", "amount", "note", "reference", "decided_at", "decided_by", "paid_at", "paid_by"),
)


PayoutsQuery = sorted_query("PayoutsQuery", tuple(SORTS), "payout_id", PayoutFilter)


class Payouts:
    """All payouts."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("List payouts", types={"query": PayoutsQuery})
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: Any) -> Page[Payout]:
        """The payouts are in the order in which they were made, unless `sort` says otherwise."""
        order = payout_order(query.sort)
        with self._pool.connection() as database:
            rows = load_payouts(database, query.chosen(), order, query.cursor, query.limit + 1)
        sorted_by = query.sort.removeprefix("-")
        return page_of(
            Page[Payout], rows, query.limit, show_payout, lambda row: order.cursor(row[sorted_by], row["payout_id"])
        )


class PayoutItem:
    """One payout."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Show a payout", versioned=True)
    def on_get(self, req: falcon.Request, resp: falcon.Response, payout_id: int) -> Payout:
        """Its entries are listed at `/v1/entries?payout_id=`."""
        with self._pool.connection() as database:
            return _answer(resp, load_payout(database, payout_id))

    @operation(
        "Change a payout",
        types={"body": PayoutChanges},
        versioned=True,
        moves_money=True,
        conflicts=("payout-state", "note-required"),
    )
    def on_patch(
        self, req: falcon.Request, resp: falcon.Response, payout_id: int, body: Body, allowed: Revisions
    ) -> Payout:
        """Change the amount to pay while the payout is open, with a note. Fields that are left out stay as they are."""
        with self._pool.connection() as database:
            return _answer(resp, change_payout(database, payout_id, body.changes(), allowed))


class PayoutApproval:
    """Releases a payout for payment."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation(
        "Approve a payout",
        versioned=True,
        moves_money=True,
        body_required=False,
        conflicts=("payout-state", "nothing-to-pay"),
    )
    def on_post(
        self, req: falcon.Request, resp: falcon.Response, payout_id: int, body: Approval, allowed: Revisions
    ) -> Payout:
        """The payout must be open. Once it is approved no correction joins it; corrections go into the next payout."""
        with self._pool.connection() as database:
            return _answer(resp, approve_payout(database, payout_id, actor_of(req), allowed))


class PayoutRejection:
    """Takes a payout back."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Reject a payout", versioned=True, moves_money=True, conflicts=("payout-state",))
    def on_post(
        self, req: falcon.Request, resp: falcon.Response, payout_id: int, body: Rejection, allowed: Revisions
    ) -> Payout:
        """The payout must be open or approved. Its entries are free for the next payout."""
        with self._pool.connection() as database:
            return _answer(resp, reject_payout(database, payout_id, actor_of(req), body.note, allowed))


class PayoutPayment:
    """Records that a payout was paid."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Pay a payout", versioned=True, moves_money=True, body_required=False, conflicts=("payout-state",))
    def on_post(
        self, req: falcon.Request, resp: falcon.Response, payout_id: int, body: Payment, allowed: Revisions
    ) -> Payout:
        """Record that you paid an approved payout. The payment becomes an entry, and all its entries are locked."""
        with self._pool.connection() as database:
            return _answer(resp, pay_payout(database, payout_id, actor_of(req), body.reference, allowed))


class PayoutExport:
    """The list as CSV, for a bank or a spreadsheet. Amounts are in major units."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Export payouts as CSV", produces="text/csv")
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: PayoutFilter) -> None:
        """All payouts that the filters find, in the order in which they were made."""
        chosen = query.chosen()
        # The first page is read before the answer begins, so that the answer is 503 if the database is away.
        first = self._load(chosen, None)
        resp.content_type = "text/csv; charset=utf-8; header=present"
        resp.downloadable_as = "payouts.csv"
        resp.stream = csv_pieces(_EXPORTED, self._rows(chosen, first))

    def _rows(self, chosen: Chosen, rows: list[Row]) -> Iterator[list[Any]]:
        """Yield the rows. It reads a page at a time, so that a slow client holds no connection of the pool."""
        while rows:
            for row in rows:
                payout = show_payout(row)
                yield [getattr(payout, name) for name in _EXPORTED]
            last = rows[-1]["payout_id"]
            rows = self._load(chosen, _BY_NUMBER.cursor(last, last)) if len(rows) == EXPORT_ROWS_AT_ONCE else []

    def _load(self, chosen: Chosen, cursor: str | None) -> list[Row]:
        with self._pool.connection() as database:
            return load_payouts(database, chosen, _BY_NUMBER, cursor, EXPORT_ROWS_AT_ONCE)


class PayoutRun:
    """Makes the payouts that are due now. With `dry` it only shows them. The maintenance worker runs it every hour."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Make the payouts that are due", body_required=False)
    def on_post(self, req: falcon.Request, resp: falcon.Response, body: PayoutRunOptions) -> PayoutRunResult:
        """This includes payouts for a period whose payout was rejected. With `dry` nothing is made."""
        now = datetime.now(UTC)
        at = body.at or now
        if at > now and not body.dry:
            raise FieldError("at", "at may lie in the future only where dry is true")
        with self._pool.connection() as database:
            result = run_payouts(database, at, dry=body.dry)
        items = [
            DuePayout(
                payout_id=payout_id,
                source_id=payable.source_id,
                currency=payable.currency,
                payout_schedule=payable.schedule,
                entries=payable.entries,
                amount=format_amount(payable.amount_minor, payable.currency),
                amount_minor=payable.amount_minor,
                minimum_minor=payable.minimum_minor,
                held_back=held,
            )
            for payable, held, payout_id in result
        ]
        return PayoutRunResult(dry=body.dry, at=at, items=items)


def _answer(resp: falcon.Response, row: Row) -> Payout:
    resp.etag = str(row["revision"])
    return show_payout(row)
