"""Payouts as the admin API shows them, and what an operator sends to decide about them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from admin_api.http import Body, Moment, Shown, Text, changes_of
from admin_api.runtime import Row
from tracking.money import AMOUNT_MINOR_MAX, HeldBack, PayoutSchedule, PayoutState, format_amount

NOTE_CHARACTERS = 500
REFERENCE_CHARACTERS = 200
Note = Annotated[str, Text(NOTE_CHARACTERS)]


class PayoutFields(Body):
    """What a client may set of a payout."""

    override_minor: Annotated[int, Field(ge=1, le=AMOUNT_MINOR_MAX)] | None
    """The amount to pay instead of the computed amount, with a note that says why; null for the computed amount."""
    note: Note | None
    """The reason."""


PayoutChanges = changes_of(PayoutFields)


class Approval(Body):
    """An approval has no fields: send `{}` or no body."""


class Rejection(Body):
    """A rejection, with its reason."""

    note: Note
    """The reason."""


class Payment(Body):
    """How a payout was paid."""

    reference: Annotated[str, Text(REFERENCE_CHARACTERS)] | None = None
    """The bank's reference, or another text by which the payment can be found."""


class PayoutRunOptions(Body):
    """How payouts are made."""

    dry: bool = False
    """Whether it only shows the payouts that it would make."""
    at: Moment | None = None
    """The moment as of which they are made; now, if left out or null. It may only lie ahead if `dry` is true."""


class Payout(Shown):
    """The payment to a source in one currency, for one period of a schedule."""

    payout_id: int
    source_id: int
    source: str
    """The source's name."""
    currency: str
    payout_schedule: PayoutSchedule
    period_ends_at: datetime
    """It pays entries that became payable before this moment."""
    state: PayoutState
    entries: int
    """How many entries it pays."""
    computed: str
    """The sum of these entries, in major units."""
    computed_minor: int
    override: str | None
    """The amount to pay instead; null if the computed amount is paid."""
    override_minor: int | None
    amount: str
    """The amount to pay."""
    amount_minor: int
    paid: str | None
    """The amount that was paid."""
    paid_minor: int | None
    note: str | None
    reference: str | None
    decided_at: datetime | None
    """When it was approved or rejected."""
    decided_by: str | None
    """The name of the API token."""
    paid_at: datetime | None
    paid_by: str | None
    created_at: datetime
    updated_at: datetime


class DuePayout(Shown):
    """What a source may be paid, and why it is held back."""

    payout_id: int | None
    """The payout that was made; null if none was."""
    source_id: int
    currency: str
    payout_schedule: PayoutSchedule
    entries: int
    amount: str
    """The amount in major units."""
    amount_minor: int
    minimum_minor: int | None
    """The smallest amount that is paid out; null if no exchange rate converts it into this currency."""
    held_back: HeldBack | None
    """Why no payout is made; null if one is made."""


class PayoutRunResult(Shown):
    """The payouts that were made, or that would be made."""

    dry: bool
    at: datetime
    items: list[DuePayout]


def show_payout(row: Row) -> Payout:
    """Return the payout of a row, with its amounts in major units too."""
    amounts = {
        name: format_amount(row[f"{name}_minor"], row["currency"]) if row[f"{name}_minor"] is not None else None
        for name in ("computed", "override", "amount", "paid")
    }
    return Payout.of(row, **amounts)
