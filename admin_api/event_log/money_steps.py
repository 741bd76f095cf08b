"""Entries and payouts of a click's conversions as steps of its trace. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from admin_api.http import Shown
from admin_api.money import show_entry
from admin_api.runtime import Row
from tracking.event_log import Step, StepKind
from tracking.money import PayoutSchedule, PayoutState, format_amount


class _PayoutDetail(Shown):
    """A payout that pays some of the conversions' entries."""

    payout_id: int
    source_id: int
    currency: str
    state: PayoutState
    """The current state of the payout."""


class PayoutMadeDetail(_PayoutDetail):
    """A payout was made for a period."""

    payout_schedule: PayoutSchedule
    period_ends_at: datetime
    """It pays entries that became payable before this moment."""
    entries: int
    """How many entries it pays."""


class PayoutDecidedDetail(_PayoutDetail):
    """An operator's decision about a payout."""

    decided_by: str | None
    override_minor: int | None
    """The amount that is paid instead of the sum of its entries, in minor units. Null means the sum."""
    note: str | None


class PayoutPaidDetail(_PayoutDetail):
    """A payout was paid."""

    paid_minor: int
    """The amount that was paid, in minor units."""
    paid_by: str | None
    reference: str | None


def money_text(amount_minor: int | None, currency: str | None) -> str:
    """Return an amount with its currency, as people write it."""
    if amount_minor is None or currency is None:
        return "no amount"
    return f"{format_amount(amount_minor, currency)} {currency}"


def entry_step(row: Row, after: str | None) -> Step:
    """Return the step of an entry of the ledger, which follows from the change with the key `after`.

    A merchant's entry is what it owes the operator. A source's entry is what the operator owes it.
    """
    entry = show_entry(row)
    of = f"{entry.party} {row[f'{entry.party}_id']}"
    by = f" by {entry.actor}" if entry.actor else ""
    return Step(
        StepKind.ENTRY_APPENDED,
        entry.created_at,
        f"entry:{entry.entry_id}",
        f"{entry.kind} of {of}: {entry.amount} {entry.currency}{by}",
        entry,
        after=after,
        sequence=entry.entry_id,
    )


def payout_steps(payout: Row) -> Iterator[Step]:
    """Yield the steps of a payout that pays some of the conversions' entries: made, decided, paid."""
    key = f"payout:{payout['payout_id']}"
    number = payout["payout_id"]
    yield Step(
        StepKind.PAYOUT_MADE,
        payout["created_at"],
        key,
        f"payout {number} to source {payout['source_id']}, {payout['payout_schedule']}, of {payout['entries']} entries",
        PayoutMadeDetail.of(payout),
        sequence=number,
    )
    if payout["decided_at"] is not None:
        verdict = "rejected" if payout["state"] == PayoutState.REJECTED else "approved"
        override = payout["override_minor"]
        instead = "" if override is None else f", to be paid {money_text(override, payout['currency'])}"
        yield Step(
            StepKind.PAYOUT_DECIDED,
            payout["decided_at"],
            f"{key}:decided",
            f"payout {number} {verdict}{instead}",
            PayoutDecidedDetail.of(payout),
            after=key,
            sequence=number,
        )
    if payout["paid_at"] is not None:
        yield Step(
            StepKind.PAYOUT_PAID,
            payout["paid_at"],
            f"{key}:paid",
            f"payout {number} paid: {money_text(payout['paid_minor'], payout['currency'])}",
            PayoutPaidDetail.of(payout),
            after=f"{key}:decided",
            sequence=number,
        )
