"""What the API shows of a click: the request as it was stored, its postbacks and its conversions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from admin_api.http import Shown
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


class ClickPostback(Shown):
    """A postback that names the click, with its request as it was received."""

    postback_id: UUID
    received_at: datetime
    route: str
    method: str
    host: str
    query: str
    content_type: str
    body: str
    ip: str | None
    user_agent: str
    merchant_id: int | None
    """The account that sent it, where that is known."""
    authenticated: bool
    event: str | None
    order_id: str | None
    status_sent: str | None
    """The status that it reported."""
    payout_minor: int | None
    currency: str | None
    answered: int
    """The status of the answer to it."""
    outcome: PostbackOutcome
    # Text, since an edge of a newer release may give reasons that are not known here.
    reason: str | None
    """Why it became that; one of the reasons of docs/postbacks.md."""
    detail: str | None
    conversion_id: UUID | None
    stored_at: datetime
    payout: float | None
    """The amount in major units; `payout_minor` is the exact one."""

    @classmethod
    def of_row(cls, row: Row) -> ClickPostback:
        """Return the postback of a database row."""
        return cls.of(row, payout=_payout(row))


class ClickConversion(Shown):
    """A conversion of the click, as it is now."""

    conversion_id: UUID
    merchant_id: int
    link_id: int
    event: str
    order_id: str | None
    status: ConversionStatus
    reason: str | None
    """Why it has this status, where that needs a reason."""
    payout_minor: int | None
    currency: str | None
    authenticated: bool
    received_at: datetime
    updated_at: datetime
    payout: float | None
    """The amount in major units; `payout_minor` is the exact one."""

    @classmethod
    def of_row(cls, row: Row) -> ClickConversion:
        """Return the conversion of a database row."""
        return cls.of(row, payout=_payout(row))


class ClickDetails(Shown):
    """A click with everything that was reported about it."""

    click: Click
    postbacks: list[ClickPostback]
    """The oldest first."""
    conversions: list[ClickConversion]
    """The oldest first."""
    cut: list[Literal["postbacks", "conversions"]]
    """Of which there are more than the 1,000 that are shown."""


def _payout(row: Row) -> float | None:
    minor, currency = row["payout_minor"], row["currency"]
    has_amount = minor is not None and currency is not None
    return float(format_amount(minor, currency)) if has_amount else None
