"""What the API shows about postbacks, and the filters that find them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from admin_api.http import (
    Condition,
    EventName,
    Filter,
    Moment,
    Number,
    SearchText,
    Shown,
    TimedPageQuery,
    converted,
    parse_number,
)
from tracking.conversions import PostbackOutcome, PostbackReason
from tracking.money import format_amount
from tracking.postbacks import fix_of

PAGE_ROWS = 50
PAGE_ROWS_MAX = 200


class PostbackFilter(Filter):
    """The postbacks to find. All given filters must hold."""

    outcome: Annotated[PostbackOutcome | None, Condition("outcome = %(outcome)s")] = None
    """The outcome of the postbacks."""
    reason: Annotated[PostbackReason | None, Condition("reason = %(reason)s")] = None
    """The reason of the outcome."""
    merchant_id: Annotated[Number | None, Condition("merchant_id = %(merchant_id)s")] = None
    """The merchant account for which they were sent."""
    event: Annotated[EventName | None, Condition("event = %(event)s")] = None
    """The event type that they report."""
    begins_at: Annotated[Moment | None, Condition("received_at >= %(from)s"), Field(alias="from")] = None
    """Received at this moment or later; a day stands for its beginning."""
    ends_at: Annotated[Moment | None, Condition("received_at < %(to)s"), Field(alias="to")] = None
    """Received before this moment; a day stands for its beginning."""


class PostbackQuery(PostbackFilter, TimedPageQuery):
    """A page of the list of postbacks."""

    q: SearchText | None = None
    """A click id, an order id, or the beginning of an order id."""
    limit: Annotated[int, Field(ge=1, le=PAGE_ROWS_MAX), converted(parse_number)] = PAGE_ROWS
    """How many rows the page has at most."""

    @property
    def search(self) -> str:
        """The text to look for; empty if there is none."""
        return (self.q or "").strip()


class PostbackCorrection(Shown):
    """One thing that was corrected to understand a postback."""

    field: str
    from_: Annotated[str | None, Field(alias="from")]
    """What was sent, with its parameter if that belongs to another field."""
    to: str | None
    """How it was understood; null if it was left out."""
    rule: str
    """The rule by which it was corrected; see docs/postbacks.md."""


class PostbackRequest(Shown):
    """The request as it arrived. If the body was too large, only its beginning is here."""

    route: str
    """The path, with `{token}` in place of the account's token."""
    method: str
    host: str
    query: str
    content_type: str
    body: str
    ip: str | None
    """The address of the client."""
    user_agent: str


class Postback(Shown):
    """A postback: what it said, how it was answered, its outcome, and the reason."""

    postback_id: UUID
    received_at: datetime
    merchant_id: int | None
    """The account of its token; null if it had no valid token."""
    authenticated: bool
    click_id: UUID | None
    """The click that it names; null if it names none of ours."""
    event: str | None
    order_id: str | None
    status_sent: str | None
    """The status that it reports; null if it reports none."""
    payout: str | None
    """The amount in major units."""
    payout_minor: int | None
    """The amount in minor units of its currency."""
    currency: str | None
    answered: int
    """The status code of the answer that its sender got."""
    outcome: PostbackOutcome
    # This is text, since an edge of a newer release may give reasons that are not known here.
    reason: str | None
    """The reason of the outcome: one of the reasons by which the list can be filtered. Null if there is none."""
    detail: str | None
    """More about the reason, for people."""
    fix: str | None
    """What to do about it; null if there is nothing to do."""
    corrections: list[PostbackCorrection]
    """What was corrected to understand it."""
    conversion_id: UUID | None
    """The conversion that it made or that it is about."""
    judged_at: datetime | None
    """When its outcome was decided, if it had to wait for its click; null if it was decided when it was stored."""
    stored_at: datetime
    request: PostbackRequest


def show_postback(row: Mapping[str, Any]) -> Postback:
    """Return the postback of a row, with its request as an object, its amount in major units, and what to do."""
    minor, currency = row["payout_minor"], row["currency"]
    has_amount = minor is not None and currency is not None
    return Postback.of(
        row,
        payout=format_amount(minor, currency) if has_amount else None,
        fix=fix_of(row["reason"]),
        corrections=[PostbackCorrection.of_stored(each) for each in row["corrections"]],
        request=PostbackRequest.of(row),
    )
