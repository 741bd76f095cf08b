"""What the API shows of postbacks, and what it takes to find them."""

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
    """The postbacks that are wanted. All filters that are given must hold."""

    outcome: Annotated[PostbackOutcome | None, Condition("outcome = %(outcome)s")] = None
    """What became of them."""
    reason: Annotated[PostbackReason | None, Condition("reason = %(reason)s")] = None
    """Why they are as they are."""
    merchant_id: Annotated[Number | None, Condition("merchant_id = %(merchant_id)s")] = None
    """The merchant account that they were sent for."""
    event: Annotated[EventName | None, Condition("event = %(event)s")] = None
    """The event type that they report."""
    begins_at: Annotated[Moment | None, Condition("received_at >= %(from)s"), Field(alias="from")] = None
    """Received at this moment or later; a day stands for its beginning."""
    ends_at: Annotated[Moment | None, Condition("received_at < %(to)s"), Field(alias="to")] = None
    """Received before this moment; a day stands for its beginning."""


class PostbackQuery(PostbackFilter, TimedPageQuery):
    """A page of the list of postbacks."""

    q: SearchText | None = None
    """A click id, or an order id or its beginning."""
    limit: Annotated[int, Field(ge=1, le=PAGE_ROWS_MAX), converted(parse_number)] = PAGE_ROWS
    """How many rows the page has at most."""

    @property
    def search(self) -> str:
        """What is looked for, empty for nothing."""
        return (self.q or "").strip()


class PostbackCorrection(Shown):
    """One thing that was corrected to understand a postback."""

    field: str
    from_: Annotated[str | None, Field(alias="from")]
    """What was sent, with its parameter where that is another field's."""
    to: str | None
    """What it was taken for; null where it was left out."""
    rule: str
    """The rule by which it was corrected; see docs/postbacks.md."""


class PostbackRequest(Shown):
    """The request as it came. Of a body that was too large it has the beginning."""

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
    """A postback: what it said, how it was answered, what became of it, and why."""

    postback_id: UUID
    received_at: datetime
    merchant_id: int | None
    """The account of its token; null where it had no valid one."""
    authenticated: bool
    click_id: UUID | None
    """The click that it names; null where it names none of ours."""
    event: str | None
    order_id: str | None
    status_sent: str | None
    """The status that it reports; null where it has none."""
    payout: str | None
    """The amount in major units."""
    payout_minor: int | None
    """The amount in minor units of its currency."""
    currency: str | None
    answered: int
    """The status code of the answer that its sender got."""
    outcome: PostbackOutcome
    # Text, since an edge of a newer release may give reasons that are not known here.
    reason: str | None
    """Why it is so: one of the reasons that the list can be filtered by. Null where there is nothing to say."""
    detail: str | None
    """More about the reason, for people."""
    fix: str | None
    """What to do about it; null where there is nothing to do."""
    corrections: list[PostbackCorrection]
    """What was corrected to understand it."""
    conversion_id: UUID | None
    """The conversion that it made or is about."""
    judged_at: datetime | None
    """When its outcome was decided, where it had to wait for its click; null where that was when it was stored."""
    stored_at: datetime
    request: PostbackRequest


def show_postback(row: Mapping[str, Any]) -> Postback:
    """Return the postback of a row: its request apart, its amount in major units too, and what to do about it."""
    minor, currency = row["payout_minor"], row["currency"]
    has_amount = minor is not None and currency is not None
    return Postback.of(
        row,
        payout=format_amount(minor, currency) if has_amount else None,
        fix=fix_of(row["reason"]),
        corrections=[PostbackCorrection.of_stored(each) for each in row["corrections"]],
        request=PostbackRequest.of(row),
    )
