"""Conversions as the admin API shows them, and what an operator sends to decide about them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from admin_api.conversions.listing import ConversionFilter
from admin_api.http import Body, PreviewToken, Shown, Text
from admin_api.money import Entry
from tracking.conversions import ConversionStatus
from tracking.money import CommissionKind

NOTE_CHARACTERS = 500
Note = Annotated[str, Text(NOTE_CHARACTERS)]


class Conversion(Shown):
    """What a merchant reported about a click, and what it earns the source by its last booking.

    The commission and its other fields are null until the conversion is booked.
    """

    conversion_id: UUID
    click_id: UUID
    merchant_id: int
    link_id: int
    source_id: int | None
    """The source that earns by it. While it is not booked, this is the link's source."""
    event: str
    order_id: str | None
    status: ConversionStatus
    # These are text here and below, since a worker of a newer release may give reasons that are not known here.
    reason: str | None
    """Why it has its status, if that is not simply what the merchant said."""
    payout: str | None
    """What the merchant reported, in major units: `25.00`."""
    payout_minor: int | None
    """The reported amount in minor units, which is exact."""
    currency: str | None
    country: str | None
    """The country of the click's address."""
    authenticated: bool
    """Whether the merchant proved who it is."""
    clicked_at: datetime
    received_at: datetime
    updated_at: datetime
    commission: CommissionKind | None
    """The terms of the commission plan that it earns by."""
    commission_amount: str | None
    """What it earns, in major units; null if it earns nothing."""
    commission_minor: int | None
    commission_currency: str | None
    """The plan's currency; null if the conversion earns nothing."""
    commission_reasons: list[str] | None
    """Why it earns nothing, or less than its event type could."""
    plan_id: int | None
    """The commission plan that it was booked under."""
    plan_rung: str | None
    """Why this plan was chosen."""
    original_minor: int | None
    """The merchant's amount from which the commission was computed, if it had to be converted."""
    original_currency: str | None
    rate: str | None
    """The exchange rate that was used: the value of one unit of the merchant's currency in the plan's."""
    rate_date: date | None
    """The day whose rate was used."""
    rate_age_days: int | None
    """How many days older the rate is than the conversion. A rate of the same day has 0."""
    postponed: bool | None
    """Whether it waits for an exchange rate."""
    payable_at: datetime | None
    """The moment from which its commission can be in a payout."""
    booked_at: datetime | None


class ConversionChange(Shown):
    """A change of a conversion that matters to money or partners."""

    change_id: int
    changed_at: datetime
    cause: Literal["postback", "operator", "replay", "reconciliation"]
    actor: str | None
    """The name of the API token, if an operator made the change."""
    note: str | None
    postback_id: UUID | None
    from_status: ConversionStatus | None
    """The status before. Null if this change made the conversion."""
    to_status: ConversionStatus
    from_payout_minor: int | None
    to_payout_minor: int | None
    from_currency: str | None
    to_currency: str | None
    reason: str | None
    booked_at: datetime | None
    """When bookkeeping finished what follows from the change. Null until then."""


class ConversionDetails(Conversion):
    """A conversion with its whole history."""

    changes: list[ConversionChange]
    """The oldest change comes first."""
    entries: list[Entry]
    """The entries that were booked for it, the oldest first."""


class Decision(Body):
    """An operator's decision on one conversion."""

    status: Literal["approved", "rejected", "reversed"]
    """The new status. A pending conversion can be approved or rejected, and an approved one reversed."""
    note: Note | None = None
    """The reason for the decision."""


class BulkDecision(Body):
    """A decision on every conversion that a filter finds."""

    filter: ConversionFilter
    """The filters of the list. `{}` finds all conversions."""
    token: PreviewToken | None = None
    """The token of a preview, which is then carried out. Without it the answer is a preview."""
    note: Note | None = None
    """The reason. It is kept with each change. Rebooking changes no conversion, so no reason is kept."""


class ConversionSum(Shown):
    """How many conversions have a currency, and the sum of the amounts that merchants reported for them."""

    currency: str | None
    """The currency. Null for conversions without an amount."""
    payout_minor: int
    conversions: int


class BulkDecisionResult(Shown):
    """What a filter finds, and how much of it was changed."""

    count: int
    """How many conversions the filter finds."""
    sums: list[ConversionSum]
    """Their amounts by currency."""
    token: str | None
    """Repeat the request with this token to do what the preview shows. Null once it is done."""
    changed: int | None
    """How many conversions were changed. Null in a preview."""
