"""What the API shows of a click: the request as it was stored, its postbacks and its conversions."""

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
    """What kind of request it was; only those that are `valid` count as clicks."""
    sub1: str | None
    """What the request brought as `sub1`, or what the link has for it; likewise the others."""
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
    """The visitor's address, where it was kept."""
    user_agent: str
    referrer: str
    accept_language: str
    location: str
    """Where the visitor was sent."""
    config_version: int
    """The version of the configuration that decided it."""
    spool_id: str
    """The spool that the edge recorded it in."""
    spool_number: int
    """The number of its record there."""
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
    """The amount in major units; `payout_minor` is the exact one."""

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
    """The account that sent it, where that is known."""
    status_sent: str | None
    """The status that it reported."""
    answered: int
    """The status of the answer to it."""
    outcome: PostbackOutcome
    # Text, since an edge of a newer release may give reasons that are not known here.
    reason: str | None
    """Why it became that; one of the reasons of docs/postbacks.md."""
    detail: str | None
    """More about the reason, for people."""
    conversion_id: UUID | None
    """The conversion that it made, or is about."""
    stored_at: datetime


class ClickConversion(_Reported):
    """A conversion of the click, as it is now."""

    conversion_id: UUID
    merchant_id: int
    link_id: int
    status: ConversionStatus
    reason: str | None
    """Why it has this status, where that needs a reason."""
    updated_at: datetime


class ClickDetails(Shown):
    """A click with everything that was reported about it."""

    click: Click
    postbacks: list[ClickPostback]
    """The oldest first."""
    conversions: list[ClickConversion]
    """The oldest first."""
    cut: list[Literal["postbacks", "conversions"]]
    """Which of the two lists is longer than the 1,000 entries that are shown."""
