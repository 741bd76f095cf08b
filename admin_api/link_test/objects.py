"""What a test of a link takes and shows."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from admin_api.http import Body, ObjectId, Shown, Text

_HEADER = Text(500, shortest=0)


class ChainEnd(StrEnum):
    """How a test ended. Each member is a row of docs/clicks.md."""

    ARRIVED = "arrived"
    REFUSED = "refused"
    FAILED = "failed"
    LOOP = "loop"
    TOO_MANY_HOPS = "too-many-hops"
    TOO_LONG = "too-long"


class AskedClick(Body):
    """The visitor to be."""

    query: Annotated[str, Text(4000, shortest=0)] = ""
    """The query string of the click, such as `sub1=a&gclid=b`."""
    user_agent: Annotated[str, _HEADER] = "Mozilla/5.0 (Waypost link test)"
    """Its user agent."""
    referrer: Annotated[str, _HEADER] = ""
    """The page that it comes from."""
    accept_language: Annotated[str, _HEADER] = ""
    """Its languages, such as `de-DE,de;q=0.9`."""


class AskedProfileClick(AskedClick):
    """The visitor to be, and the link that it follows."""

    link_id: ObjectId | None = None
    """A link of the profile. Without one, the newest active link is tested."""


class HopTls(Shown):
    """The TLS of a hop, whose certificate was verified."""

    version: str
    issuer: str
    names: list[str]
    expires_at: datetime


class Hop(Shown):
    """One request of the chain, and its answer."""

    url: str
    address: str | None
    """The address that was called."""
    status: int | None
    """The status of the answer; null if there was none."""
    location: str | None
    """Where the answer leads."""
    duration_ms: int
    tls: HopTls | None
    reason: str | None
    """Of the first hop: the outcome that the edge gives, if it is not a recorded click."""
    next_hop: str | None
    """Of the first hop: what became of a next hop that the click named."""
    rule_id: int | None
    """Of the first hop: the rule that decided."""
    destination_id: int | None
    """Of the first hop: the destination that was chosen."""
    title: str | None
    """The title of the page, if the answer is one."""
    error: str | None
    """Why there is no answer; the words are those of the attempts of deliveries."""
    detail: str | None
    """The same in a sentence."""


class LinkTest(Shown):
    """A test click and its way."""

    link_id: int
    end: ChainEnd
    hops: list[Hop]
