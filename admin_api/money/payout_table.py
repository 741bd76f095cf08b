"""SQL of payouts: what they pay, who decided what, and the locks on what was paid."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import cache
from typing import Annotated, Any, LiteralString

from psycopg import sql
from pydantic import Field

from admin_api.http import (
    AnyOf,
    Chosen,
    Column,
    Condition,
    ConflictError,
    CurrencyCode,
    Filter,
    Moment,
    NotFoundError,
    Number,
    Order,
    Revisions,
    order_of,
    require_revision,
)
from admin_api.money.exchange_rate_table import find_stored_rate
from admin_api.resources import update_row
from admin_api.runtime import Database, Row
from config.tables import payouts
from tracking.money import (
    AppliedRate,
    HeldBack,
    Payable,
    PayoutSchedule,
    PayoutState,
    format_amount,
    held_back,
    payable_groups,
    period_ends,
)

# A payout comes to the sum of the entries it pays. The entries of the payment itself and of an override do not count.
_SELECT: LiteralString = """
    select p.payout_id, p.source_id, s.name as source, p.currency, p.payout_schedule, p.period_ends_at, p.state,
        e.computed_minor, e.entries, p.override_minor, coalesce(p.override_minor, e.computed_minor) as amount_minor,
        p.paid_minor, p.note, p.reference, p.decided_at, p.decided_by, p.paid_at, p.paid_by, p.revision, p.created_at,
        p.updated_at
    from payouts p join sources s using (source_id) cross join lateral (
        select coalesce(sum(amount_minor), 0)::bigint as computed_minor, count(*) as entries from entries
        where entries.payout_id = p.payout_id and kind <> 'payout' and settles_payout is null) e
"""
_OVERRIDE = (
    "insert into entries (party, kind, source_id, amount_minor, currency, actor, note, payout_schedule, payable_at,"
    " payout_id, settles_payout) values ('source', 'adjustment', %(source_id)s, %(difference)s, %(currency)s,"
    " %(actor)s, %(note)s, %(payout_schedule)s, now(), %(payout_id)s, true)"
)
_LOCK = "update entries set locked = true where payout_id = %s and not locked"
_PAYOUT = (
    "insert into entries (party, kind, source_id, amount_minor, currency, actor, note, payout_schedule, payable_at,"
    " payout_id, locked) values ('source', 'payout', %(source_id)s, -%(amount_minor)s::bigint, %(currency)s, %(actor)s,"
    " %(said)s, %(payout_schedule)s, now(), %(payout_id)s, true)"
)


SORTS = {
    "payout_id": Column("p.payout_id", int),
    "period_ends_at": Column("p.period_ends_at", datetime),
    "amount_minor": Column("coalesce(p.override_minor, e.computed_minor)", int),
}


class PayoutFilter(Filter):
    """The payouts to find. All given filters must hold."""

    state: Annotated[AnyOf[PayoutState] | None, Condition("p.state = any(%(state)s)")] = None
    """The state is any of these."""
    source_id: Annotated[Number | None, Condition("p.source_id = %(source_id)s")] = None
    """The source that is paid."""
    currency: Annotated[CurrencyCode | None, Condition("p.currency = %(currency)s")] = None
    """The currency that is paid."""
    payout_schedule: Annotated[
        AnyOf[PayoutSchedule] | None, Condition("p.payout_schedule = any(%(payout_schedule)s)")
    ] = None
    """The schedule is any of these."""
    begins_at: Annotated[Moment | None, Condition("p.period_ends_at >= %(from)s"), Field(alias="from")] = None
    """The period ended at this moment or later; a day stands for its beginning."""
    ends_at: Annotated[Moment | None, Condition("p.period_ends_at < %(to)s"), Field(alias="to")] = None
    """The period ended before this moment; a day stands for its beginning."""


def payout_order(sort: str) -> Order:
    """Return the order of a list of payouts."""
    return order_of(sort, SORTS, "p.payout_id")


def load_payouts(database: Database, chosen: Chosen, order: Order, cursor: str | None, limit: int) -> list[Row]:
    """Return up to `limit` payouts after a cursor of an order. Raises FieldError for a bad one."""
    tail, values = order.page(chosen, cursor)
    query = sql.SQL("{} {} limit %(limit)s").format(sql.SQL(_SELECT), tail)
    return database.execute(query, {**values, "limit": limit}, prepare=False).fetchall()


def load_payout(database: Database, payout_id: int) -> Row:
    """Return a payout, or raise NotFoundError."""
    row = database.execute(f"{_SELECT} where p.payout_id = %s", [payout_id]).fetchone()
    if row is None:
        raise NotFoundError(f"there is no payout {payout_id}")
    return row


def change_payout(database: Database, payout_id: int, changes: Mapping[str, Any], allowed: Revisions) -> Row:
    """Change the amount to pay and the note. The payout must be open."""
    with database.transaction():
        before = _locked(database, payout_id, allowed, PayoutState.OPEN)
        after = {name: changes.get(name, before[name]) for name in ("override_minor", "note")}
        if after["override_minor"] is not None and after["note"] is None:
            raise ConflictError("an override says why; send a note with it", code="note-required", field="note")
        _save(database, payout_id, after)
        return load_payout(database, payout_id)


def approve_payout(database: Database, payout_id: int, actor: str, allowed: Revisions) -> Row:
    """Approve a payout for payment. From now on no entry joins it."""
    with database.transaction():
        before = _locked(database, payout_id, allowed, PayoutState.OPEN)
        if before["amount_minor"] <= 0:
            raise ConflictError(
                f"the payout comes to {format_amount(before['amount_minor'], before['currency'])}: nothing to pay;"
                " reject it, and its entries go into the next one",
                code="nothing-to-pay",
            )
        _save(database, payout_id, {"state": PayoutState.APPROVED.value} | _decided(actor))
        return load_payout(database, payout_id)


def reject_payout(database: Database, payout_id: int, actor: str, note: str, allowed: Revisions) -> Row:
    """Reject a payout. Its entries are free for the next payout."""
    with database.transaction():
        _locked(database, payout_id, allowed, PayoutState.OPEN, PayoutState.APPROVED)
        database.execute("update entries set payout_id = null where payout_id = %s", [payout_id])
        _save(database, payout_id, {"state": PayoutState.REJECTED.value, "note": note} | _decided(actor))
        return load_payout(database, payout_id)


def pay_payout(database: Database, payout_id: int, actor: str, reference: str | None, allowed: Revisions) -> Row:
    """Record that a payout was paid. The payment becomes an entry, and all entries of the payout are locked."""
    with database.transaction():
        before = _locked(database, payout_id, allowed, PayoutState.APPROVED)
        amount_minor = before["amount_minor"]
        said = f"payout {payout_id}" + (f", {reference}" if reference else "")
        values = dict(before) | {"actor": actor, "said": said, "difference": amount_minor - before["computed_minor"]}
        if values["difference"]:
            database.execute(_OVERRIDE, values)
        database.execute(_LOCK, [payout_id])
        database.execute(_PAYOUT, values)
        paid = {"paid_minor": amount_minor, "reference": reference, "paid_at": datetime.now(UTC), "paid_by": actor}
        _save(database, payout_id, {"state": PayoutState.PAID.value} | paid)
        return load_payout(database, payout_id)


def run_payouts(database: Database, now: datetime, *, dry: bool) -> list[tuple[Payable, HeldBack | None, int | None]]:
    """Make the payouts of periods that ended before `now`, or only show them. Each has its id or why it is held."""
    ends = {schedule.value: end for schedule, end in period_ends(now).items()}
    with database.transaction():
        # A dry run needs no lock, only entries that stay the same.
        for statement in payouts.BEGIN[:1] if dry else payouts.BEGIN:
            database.execute(statement)
        rows = database.execute(payouts.PAYABLE, ends).fetchall()

        @cache
        def find_rate(source: str, target: str, day: date) -> AppliedRate | None:
            return find_stored_rate(database, source, target, day)

        result = []
        for payable in payable_groups(rows, find_rate, now):
            held = held_back(payable, anew=True)
            payout_id = None if dry or held is not None else _make(database, payable, ends[payable.schedule])
            result.append((payable, held, payout_id))
    return result


def _make(database: Database, payable: Payable, until: datetime) -> int:
    values = [payable.source_id, payable.currency, payable.schedule.value, until]
    row = database.execute(payouts.MAKE, values).fetchone()
    assert row is not None
    return int(row["payout_id"])


def _locked(database: Database, payout_id: int, allowed: Revisions, *states: PayoutState) -> Row:
    """Return a payout in one of these states. Nobody changes it and no entry joins it until the transaction ends."""
    database.execute("select from payouts where payout_id = %s for no key update", [payout_id])
    row = load_payout(database, payout_id)
    require_revision(row["revision"], allowed, "payout")
    if row["state"] not in states:
        raise ConflictError(
            f"this payout is {row['state']}; that is for {' or '.join(states)} ones", code="payout-state"
        )
    return row


def _decided(actor: str) -> dict[str, Any]:
    return {"decided_at": datetime.now(UTC), "decided_by": actor}


def _save(database: Database, payout_id: int, values: Mapping[str, Any]) -> None:
    update_row(database, "payouts", "payout_id", payout_id, values)
