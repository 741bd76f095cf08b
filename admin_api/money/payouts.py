"""The REST resources of payouts: the list, one of them, decisions, export, and making them by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import falcon

from admin_api.http.old import (
    Field,
    Revisions,
    Values,
    actor_of,
    choose,
    csv_pieces,
    decode_id,
    decode_list,
    decode_object,
    decode_revisions,
    flag,
    parse_moment,
    text,
    validate_changes,
    validate_new,
    whole,
)
from admin_api.money.payout_table import (
    FILTERS,
    approve_payout,
    change_payout,
    load_payout,
    load_payouts,
    pay_payout,
    reject_payout,
    run_payouts,
)
from admin_api.runtime import Database, Pool, Row
from tracking.money import AMOUNT_MINOR_MAX, format_amount
from tracking.runtime import FieldError

NOTE_CHARACTERS = 500
EXPORT_ROWS_MAX = 100_000
_NOTE = text(NOTE_CHARACTERS)
_CHANGES = (
    Field("override_minor", whole(1, AMOUNT_MINOR_MAX), nullable=True),
    Field("note", _NOTE, nullable=True),
)
_EXPORTED = (
    *("payout_id", "source_id", "source", "currency", "payout_schedule", "period_ends_at", "state", "entries"),
    *("computed", "override", "amount", "note", "reference", "decided_at", "decided_by", "paid_at", "paid_by"),
)
Decide = Callable[[Database, int, Values, str, Revisions], Row]


def _moment(value: Any, field: str) -> datetime:
    if not isinstance(value, str):
        raise FieldError(field, f"{field} must be a moment such as 2026-10-31T12:00:00Z")
    return parse_moment(value, field)


_RUN = (Field("dry", flag, default=False), Field("at", _moment, default=None, nullable=True))


class Payouts:
    """All payouts."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List payouts by any of the filters."""
        chosen, after, limit = decode_list(req, FILTERS)
        with self._pool.connection() as database:
            rows = load_payouts(database, chosen, after, limit + 1)
        shown = rows[:limit]
        resp.media = {
            "items": [present_payout(row) for row in shown],
            "next_cursor": str(shown[-1]["payout_id"]) if len(rows) > limit else None,
        }


class PayoutItem:
    """One payout."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def on_get(self, req: falcon.Request, resp: falcon.Response, payout_id: str) -> None:
        """Show it; its entries are at `/v1/entries?payout_id=`."""
        with self._pool.connection() as database:
            _respond(resp, load_payout(database, decode_id(payout_id, "payout")))

    def on_patch(self, req: falcon.Request, resp: falcon.Response, payout_id: str) -> None:
        """Override what is paid, with a note, while it is open; null pays what was computed again."""
        changes = validate_changes(_CHANGES, decode_object(req))
        with self._pool.connection() as database:
            row = change_payout(database, decode_id(payout_id, "payout"), changes, decode_revisions(req))
        _respond(resp, row)


class PayoutDecision:
    """Approve, reject or pay: one decision each."""

    def __init__(self, pool: Pool, fields: tuple[Field, ...], decide: Decide) -> None:
        self._pool = pool
        self._fields = fields
        self._decide = decide

    def on_post(self, req: falcon.Request, resp: falcon.Response, payout_id: str) -> None:
        """Decide."""
        number = decode_id(payout_id, "payout")
        values = validate_new(self._fields, decode_object(req) if req.content_length else {})
        with self._pool.connection() as database:
            row = self._decide(database, number, values, actor_of(req), decode_revisions(req))
        _respond(resp, row)


class PayoutExport:
    """The list as CSV, for a bank or a spreadsheet. Amounts are in major units."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Export payouts by any of the filters."""
        chosen = choose(FILTERS, req.params)
        with self._pool.connection() as database:
            rows = [present_payout(row) for row in load_payouts(database, chosen, 0, EXPORT_ROWS_MAX)]
        resp.content_type = "text/csv; charset=utf-8"
        resp.downloadable_as = "payouts.csv"
        resp.data = b"".join(csv_pieces(_EXPORTED, ([row[name] for name in _EXPORTED] for row in rows)))


class PayoutRun:
    """Makes what is due now, or with `dry` only says so. The maintenance worker does the same every hour."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Run. `at` looks at another moment: later ones to see what will be due, and only dry."""
        wanted = validate_new(_RUN, decode_object(req) if req.content_length else {})
        now = datetime.now(UTC)
        at = wanted["at"] or now
        if at > now and not wanted["dry"]:
            raise FieldError("at", "at may lie in the future only where dry is true")
        with self._pool.connection() as database:
            result = run_payouts(database, at, dry=wanted["dry"])
        resp.media = {
            "dry": wanted["dry"],
            "at": at,
            "items": [
                {
                    "payout_id": payout_id,
                    "source_id": payable.source_id,
                    "currency": payable.currency,
                    "payout_schedule": payable.schedule,
                    "entries": payable.entries,
                    "amount_minor": payable.amount_minor,
                    "amount": format_amount(payable.amount_minor, payable.currency),
                    "minimum_minor": payable.minimum_minor,
                    "held_back": held,
                }
                for payable, held, payout_id in result
            ],
        }


def decisions(pool: Pool) -> dict[str, PayoutDecision]:
    """Return the decisions by their names in URLs."""
    return {
        "approve": PayoutDecision(
            pool, (), lambda database, number, values, actor, allowed: approve_payout(database, number, actor, allowed)
        ),
        "reject": PayoutDecision(
            pool,
            (Field("note", _NOTE),),
            lambda database, number, values, actor, allowed: reject_payout(
                database, number, actor, values["note"], allowed
            ),
        ),
        "pay": PayoutDecision(
            pool,
            (Field("reference", text(200), default=None, nullable=True),),
            lambda database, number, values, actor, allowed: pay_payout(
                database, number, actor, values["reference"], allowed
            ),
        ),
    }


def present_payout(row: Row) -> Row:
    """Return a payout as it is shown, its amounts in major units too."""
    amounts = {
        name: format_amount(row[f"{name}_minor"], row["currency"]) if row[f"{name}_minor"] is not None else None
        for name in ("computed", "override", "amount", "paid")
    }
    return {name: value for name, value in row.items() if name != "revision"} | amounts


def _respond(resp: falcon.Response, row: Row) -> None:
    resp.media = present_payout(row)
    resp.etag = str(row["revision"])
