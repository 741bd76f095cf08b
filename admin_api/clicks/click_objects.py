"""What the API shows about a click: the request as it was stored, its postbacks and its conversions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field

from admin_api.http import Shown
from admin_api.postbacks import PostbackRequest
from admin_api.runtime import Row
from tracking.conversions import ConversionStatus, PostbackOutcome
from tracking.money import format_amount
from tracking.spool import ClickClass


class Click(Shown):
    """A request of a tracking link with an active profile, as the edge recorded it."""

    click_id: UUID
    clicked_at: datetime
    link_id: int
    profile_id: int
    slug: str
    kind: Annotated[ClickClass, Field(alias="class")]
    """The kind of request. Only requests that are `valid` count as clicks."""
    sub1: str | None
    """The value of `sub1` in the request, or the link's own value. The other nine work in the same way."""
    sub2: str | None
    sub3: str | None
    sub4: str | None
    sub5: str | None
    sub6: str | None
    sub7: str | None
    sub8: str | None
    sub9: str | None
    sub10: str | None
    parameters: dict[str, str]
    """Every query parameter, decoded."""
    query: str
    """The query as it was sent."""
    method: str
    host: str
    ip: str | None
    """The visitor's address, if it was kept."""
    user_agent: str
    referrer: str
    accept_language: str
    location: str
    """Where the visitor was sent."""
    config_version: int
    """The version of the configuration that decided where to send the visitor."""
    spool_id: str
    """The spool in which the edge recorded the click."""
    spool_number: int
    """The number of the click's record in the spool."""
    stored_at: datetime


class _Reported(Shown):
    """What a merchant reported about the click."""

    event: str | None
    order_id: str | None
    payout_minor: int | None
    currency: str | None
    authenticated: bool
    """Whether the merchant proved who it is."""
    received_at: datetime
    payout: float | None
    """The amount in major units; `payout_minor` is the exact amount."""

    @classmethod
    def of_row(cls, row: Row) -> Self:
        """Return the object of a database row."""
        minor, currency = row["payout_minor"], row["currency"]
        has_amount = minor is not None and currency is not None
        return cls.of(row, payout=float(format_amount(minor, currency)) if has_amount else None)


class ClickPostback(PostbackRequest, _Reported):
    """A postback that names the click, with its request as it was received."""

    postback_id: UUID
    merchant_id: int | None
    """The account that sent it, if that is known."""
    status_sent: str | None
    """The status that the postback reported."""
    answered: int
    """The HTTP status of the answer to it."""
    outcome: PostbackOutcome
    # This is text, since an edge of a newer release may give reasons that are not known here.
    reason: str | None
    """The reason of the outcome; see docs/postbacks.md."""
    detail: str | None
    """More about the reason, for people."""
    conversion_id: UUID | None
    """The conversion that it made or that it is about."""
    stored_at: datetime


class ClickConversion(_Reported):
    """A conversion of the click in its current state."""

    conversion_id: UUID
    merchant_id: int
    link_id: int
    status: ConversionStatus
    reason: str | None
    """Why it has this status, if that needs a reason."""
    updated_at: datetime


class ClickDetails(Shown):
    """A click with everything that was reported about it."""

    click: Click
    postbacks: list[ClickPostback]
    """The oldest postback comes first."""
    conversions: list[ClickConversion]
    """The oldest conversion comes first."""
    cut: list[Literal["postbacks", "conversions"]]
    """The names of the two lists that are longer than the 1,000 entries that are shown."""
