"""Conversions as the admin API shows them, and what an operator sends to decide on them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from admin_api.conversions.listing import ConversionFilter
from admin_api.http import Body, Shown, Text
from admin_api.money import Entry
from tracking.conversions import ConversionStatus
from tracking.money import CommissionKind

NOTE_CHARACTERS = 500
TOKEN_CHARACTERS = 64
Note = Annotated[str, Text(NOTE_CHARACTERS)]


class Conversion(Shown):
    """What a merchant reported of a click, and what it earns the source as it was last booked.

    The commission and what belongs to it are null until the conversion is booked.
    """

    conversion_id: UUID
    click_id: UUID
    merchant_id: int
    link_id: int
    source_id: int | None
    """The source that earns by it; of one that is not booked yet, the link's."""
    event: str
    order_id: str | None
    status: ConversionStatus
    # Text here and below, since a worker of a newer release may give reasons that are not known here.
    reason: str | None
    """Why it has its status, where that is not simply what the merchant said."""
    payout: str | None
    """What the merchant reported, in major units: `25.00`."""
    payout_minor: int | None
    """The same in minor units, which is the exact amount."""
    currency: str | None
    country: str | None
    """The country of the click's address."""
    authenticated: bool
    """Whether the merchant proved who it is."""
    clicked_at: datetime
    received_at: datetime
    updated_at: datetime
    commission: CommissionKind | None
    """Which terms of the plan it earns."""
    commission_amount: str | None
    """What it earns, in major units; null where that is nothing."""
    commission_minor: int | None
    commission_currency: str | None
    """The plan's currency; null where it earns nothing."""
    commission_reasons: list[str] | None
    """Why it earns nothing, or less than its event type could."""
    plan_id: int | None
    """The commission plan that it was booked under."""
    plan_rung: str | None
    """Why this plan was chosen."""
    original_minor: int | None
    """The merchant's amount that the commission was computed of, where it had to be converted."""
    original_currency: str | None
    rate: str | None
    """The exchange rate that was used: what one unit of the merchant's currency was in the plan's."""
    rate_date: date | None
    """The day whose rate was used."""
    rate_age_days: int | None
    """How many days older the rate is than the conversion: 0 for a rate of the day itself."""
    postponed: bool | None
    """Whether it waits for an exchange rate."""
    payable_at: datetime | None
    """From when on its commission can be in a payout."""
    booked_at: datetime | None


class ConversionChange(Shown):
    """A change of a conversion that matters to money or partners."""

    change_id: int
    changed_at: datetime
    cause: Literal["postback", "operator", "replay", "reconciliation"]
    actor: str | None
    """The name of the API token, where an operator made the change."""
    note: str | None
    postback_id: UUID | None
    from_status: ConversionStatus | None
    """Null where the change made the conversion."""
    to_status: ConversionStatus
    from_payout_minor: int | None
    to_payout_minor: int | None
    from_currency: str | None
    to_currency: str | None
    reason: str | None
    booked_at: datetime | None
    """Null until bookkeeping has done what follows from it."""


class ConversionDetails(Conversion):
    """A conversion with its whole history."""

    changes: list[ConversionChange]
    """Oldest first."""
    entries: list[Entry]
    """What was booked of it, oldest first."""


class Decision(Body):
    """An operator's decision on one conversion."""

    status: Literal["approved", "rejected", "reversed"]
    """A pending conversion can be approved or rejected, an approved one reversed."""
    note: Note | None = None
    """Why."""


class BulkDecision(Body):
    """A decision on every conversion that a filter finds."""

    filter: ConversionFilter
    """The filters of the list; `{}` finds all."""
    token: Annotated[str, Text(TOKEN_CHARACTERS)] | None = None
    """The token of the preview, which is what is then done. Left out, the answer is a preview."""
    note: Note | None = None
    """Why. It is kept with each change; booking anew changes no conversion and keeps none."""


class ConversionSum(Shown):
    """How many conversions have a currency, and the sum of what merchants reported of them."""

    currency: str | None
    """Null for those without an amount."""
    payout_minor: int
    conversions: int


class BulkDecisionResult(Shown):
    """What a filter finds, and how much of it was changed."""

    count: int
    """How many conversions the filter finds."""
    sums: list[ConversionSum]
    """Their amounts by currency."""
    token: str | None
    """Repeat the request with it to do what the preview shows; null once it is done."""
    changed: int | None
    """How many were changed; null in a preview."""
