"""Every way in which the edge can answer. Each member is a metric label, a reason in responses, and a row of
docs/clicks.md or docs/postbacks.md.
"""

from __future__ import annotations

from enum import StrEnum

from config.geo import GeoEvent
from tracking.clicks import NextHopResult
from tracking.routing import How


class Outcome(StrEnum):
    """Add new members at the end: a member's position is its index in the counter files of running processes."""

    REDIRECTED = "redirected"
    NO_PROFILE = "no-profile"
    UNKNOWN_SLUG = "unknown-slug"
    WRONG_HOST = "wrong-host"
    LINK_INACTIVE = "link-inactive"
    MIRROR_EMPTY = "mirror-empty"
    NOT_LOGGED = "not-logged"
    POSTBACK_RECORDED = "postback-recorded"
    POSTBACK_DUPLICATE = "postback-duplicate"
    POSTBACK_BAD_BODY = "postback-bad-body"
    POSTBACK_BAD_FIELD = "postback-bad-field"
    POSTBACK_BAD_TOKEN = "postback-bad-token"  # noqa: S105
    POSTBACK_UNKNOWN_CLICK = "postback-unknown-click"
    POSTBACK_TOO_LARGE = "postback-too-large"
    POSTBACK_NOT_LOGGED = "postback-not-logged"
    POSTBACK_AMBIGUOUS_CLICK = "postback-ambiguous-click"
    POSTBACK_BAD_SIGNATURE = "postback-bad-signature"
    POSTBACK_STALE_SIGNATURE = "postback-stale-signature"
    POSTBACK_REPLAYED = "postback-replayed"
    POSTBACK_ADDRESS_NOT_ALLOWED = "postback-address-not-allowed"
    POSTBACK_RATE_LIMITED = "postback-rate-limited"
    POSTBACK_RATE_LIMITED_NOT_STORED = "postback-rate-limited-not-stored"
    NO_DESTINATION = "no-destination"
    LOOP = "loop"


# Next hops, and how rules found a destination, are counted in the same files, after all outcomes there may ever be.
NEXT_HOP_INDEX: dict[NextHopResult, int] = {result: 256 + place for place, result in enumerate(NextHopResult)}
ROUTING_INDEX: dict[How, int] = {how: 288 + place for place, how in enumerate(How)}
GEO_INDEX: dict[GeoEvent, int] = {event: 320 + place for place, event in enumerate(GeoEvent)}
OUTCOME_INDEX: dict[Outcome, int] = {outcome: place for place, outcome in enumerate(Outcome)}
