"""What the API shows about a click: the request as it was stored, its postbacks and its conversions."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, PlainSerializer

from admin_api.http import Shown
from admin_api.postbacks import PostbackRequest
from admin_api.routing import RoutingDecision
from admin_api.runtime import Row
from tracking.conversions import ConversionStatus, PostbackOutcome
from tracking.money import format_amount
from tracking.traffic import TrafficClass

# Without an exponent, however small it is.
_Exact = Annotated[Decimal, PlainSerializer(lambda number: format(number, "f"), return_type=str)]


class Click(Shown):
    """A request of a tracking link with an active profile, as the edge recorded it."""

    click_id: UUID
    clicked_at: datetime
    link_id: int
    profile_id: int
    slug: str
    kind: Annotated[TrafficClass, Field(alias="class")]
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
    """The visitor's address, or the network of a truncated one, if it was kept."""
    user_agent: str
    referrer: str
    accept_language: str
    country: str | None
    """The country of the visitor's address, such as `DE`. What is not known of a visitor is null."""
    region: str | None
    city: str | None
    asn: int | None
    """The number of the network that the address belongs to."""
    isp: str | None
    """The provider of the address."""
    connection: str | None
    """The kind of connection, such as `Cellular`."""
    device: str | None
    """The kind of device; see docs/geo.md. It is null only for clicks that were stored by an earlier release."""
    os: str | None
    browser: str | None
    language: str | None
    """The language that the visitor prefers, such as `de`."""
    referrer_host: str | None
    campaign: str | None
    """The campaign that the request names."""
    external_id: str | None
    """The traffic source's own id of the click."""
    cost: _Exact | None
    """What the click cost, as the request says; a number in quotes, since it is exact."""
    cuts: dict[str, int] | None
    """The lengths of the parameters that were cut."""
    is_unique: bool
    """Whether it is the first valid click of its visitor on its link within the window."""
    location: str
    """Where the visitor was sent."""
    rule_id: int | None
    """The rule that decided where to send the visitor; null if none matched, or the link has none."""
    destination_id: int | None
    """The destination of the rule; null for the link's own."""
    routing: list[Any] | None
    """Why the click went where it went, as the edge recorded it; docs/formats.md has the format."""
    config_version: int
    """The version of the configuration that decided where to send the visitor."""
    spool_id: str
    """The spool in which the edge recorded the click."""
    spool_number: int
    """The number of the click's record in the spool."""
    stored_at: datetime
    erased_at: datetime | None
    """When what identifies the visitor was erased; null if it was not."""


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
    decision: RoutingDecision
    """What the link's rules decided, in words."""
    postbacks: list[ClickPostback]
    """The oldest postback comes first."""
    conversions: list[ClickConversion]
    """The oldest conversion comes first."""
    cut: list[Literal["postbacks", "conversions"]]
    """The names of the two lists that are longer than the 1,000 entries that are shown."""
