"""What the API shows about deliveries, and the filters that find them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from admin_api.http import (
    AnyOf,
    Body,
    Condition,
    EventName,
    Filter,
    Flag,
    Moment,
    Number,
    PreviewToken,
    Shown,
    TimedPageQuery,
)
from tracking.outgoing import DeliveryState


class DeliveryFilter(Filter):
    """The deliveries to find. All given filters must hold."""

    outgoing_postback_id: Annotated[Number | None, Condition("d.outgoing_postback_id = %(outgoing_postback_id)s")] = (
        None
    )
    """The outgoing postback that they belong to."""
    state: Annotated[AnyOf[DeliveryState] | None, Condition("d.state = any(%(state)s)")] = None
    """The state is any of these."""
    event: Annotated[EventName | None, Condition("d.event = %(event)s")] = None
    """The event type of the conversion."""
    conversion_id: Annotated[UUID | None, Condition("d.conversion_id = %(conversion_id)s")] = None
    """The conversion that they report."""
    click_id: Annotated[UUID | None, Condition("d.click_id = %(click_id)s")] = None
    """The click of the conversion."""
    is_test: Annotated[Flag | None, Condition("d.is_test = %(is_test)s")] = None
    """Whether they are tests."""
    begins_at: Annotated[Moment | None, Condition("d.planned_at >= %(from)s"), Field(alias="from")] = None
    """Planned at this moment or later; a day stands for its beginning."""
    ends_at: Annotated[Moment | None, Condition("d.planned_at < %(to)s"), Field(alias="to")] = None
    """Planned before this moment; a day stands for its beginning."""


class DeliveryQuery(DeliveryFilter, TimedPageQuery):
    """A page of the delivery log."""


class DeliveriesReplayBody(Body):
    """The deliveries to send again."""

    # This is a factory, since the document would show a default as if it were stored.
    filter: Annotated[DeliveryFilter, Field(default_factory=DeliveryFilter)]
    """Without a `state` it finds only failed deliveries, and without `is_test` no tests."""
    token: PreviewToken | None = None
    """The token of a preview, which is then carried out. Without it the answer is a preview."""


class DeliveryFacts(Shown):
    """What a delivery reports: the value of every macro when the delivery was planned."""

    click_id: str | None
    external_id: str | None
    """The partner's own id of the click, from the parameter cid, externalid or external_id."""
    conversion_id: str | None
    event: str | None
    status: str | None
    """The status of the conversion after the change that is reported."""
    previous_status: str | None
    """The status before; null for a new conversion."""
    payout: str | None
    """The merchant's amount in major units."""
    payout_minor: int | None
    currency: str | None
    commission: str | None
    """What the conversion earns, in major units."""
    commission_minor: int | None
    commission_currency: str | None
    order_id: str | None
    timestamp: int | None
    """When the conversion changed, in Unix seconds."""
    click_timestamp: int | None
    """When the click was made, in Unix seconds."""
    cost: str | None
    """The parameter `cost` of the click."""
    campaign: str | None
    """The campaign that the click names."""
    country: str | None
    region: str | None
    city: str | None
    device: str | None
    """The kind of device, such as `phone`."""
    os: str | None
    browser: str | None
    language: str | None
    """The visitor's preferred language, such as `de`."""
    ip: str | None
    """The address as it is stored, so perhaps cut or left out."""
    user_agent: str | None
    referrer: str | None
    source: str | None
    """The name of the source."""
    link_id: int | None
    slug: str | None
    sub1: str | None
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
    """Every query parameter of the click."""


class Delivery(Shown):
    """One change of a conversion that is reported to one partner, or a test."""

    delivery_id: UUID
    """The id that the partner sees in every attempt."""
    outgoing_postback_id: int
    change_id: int | None
    """The change of the conversion; null for a test."""
    conversion_id: UUID | None
    """Null for a test."""
    click_id: UUID | None
    """Null for a test."""
    event: str
    is_test: bool
    state: DeliveryState
    attempts: int
    """How many attempts there were, including all replays."""
    due_at: datetime | None
    """When it is sent next. During an attempt, when the attempt counts as lost. Null when nothing more is sent."""
    planned_at: datetime
    finished_at: datetime | None
    """When it was delivered or failed."""
    facts: DeliveryFacts
    last_attempt_at: datetime | None
    """When the last attempt began; null before the first."""
    response_status: int | None
    """The HTTP status of the answer to the last attempt; null if there was no answer."""
    error: str | None
    """Why the last attempt failed; see docs/outgoing.md."""


class DeliveryAttempt(Shown):
    """One request of a delivery."""

    attempt: int
    """The number of the attempt, counted from 1, including all replays."""
    started_at: datetime
    ended_at: datetime | None
    """When it ended. Null while it is under way, or if its worker died during it."""
    duration_ms: int | None
    method: str | None
    url: str | None
    """The URL with every macro filled in; null if it must not be called."""
    headers: dict[str, str] | None
    """The headers of the request."""
    body: str | None
    """The body of a POST."""
    address: str | None
    """The IP address that was called."""
    response_status: int | None
    response_headers: dict[str, str] | None
    """The first 4,096 characters of the answer's headers."""
    response_body: str | None
    """The first 2,048 bytes of the answer's body."""
    error: str | None
    """Why it failed; null if the partner answered with 2xx. See docs/outgoing.md."""
    detail: str | None
    """More about the error, for people."""


class DeliveryWithAttempts(Delivery):
    """A delivery with all of its attempts."""

    attempt_log: list[DeliveryAttempt]
    """The attempts, the oldest first."""


def show_delivery(row: dict[str, Any]) -> Delivery:
    """Return the delivery of a row."""
    return Delivery.of(row, facts=DeliveryFacts.of_stored(row["facts"]))


def show_delivery_with_attempts(row: dict[str, Any], attempts: list[dict[str, Any]]) -> DeliveryWithAttempts:
    """Return the delivery of a row, with the attempts of other rows."""
    return DeliveryWithAttempts.of(row, facts=DeliveryFacts.of_stored(row["facts"]), attempt_log=attempts)
