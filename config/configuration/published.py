"""Profiles, links and accounts as they are published: the admin compiles them, the edge decodes them without
validation.

Each has one key and one JSON array as its value, both in the Redis hash and in the LMDB mirror:

    p:{domain}              profile of a tracking domain
    l:{profile_id}:{slug}   link; profile_id 0 is a link without a profile
    t:{sha256 hex}          postback token of a merchant account
    a:{merchant_id}         merchant account: how its postbacks are read, authenticated and limited
    e                       event types in use
    r:{rotation_id}         rotation (tracking.routing.plan)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from tracking.clicks import SUB_COUNT

# The version of the format. Whatever is published in another one counts as missing.
PUBLISHED_FORMAT = 2
NO_PROFILE = 0
_NO_DEFAULTS: list[str | None] = [None] * SUB_COUNT
# The values that are left out at the end of an encoded link.
_USUAL: list[Any] = [None, None, True, None, [], None]


class PublishedProfile(NamedTuple):
    """A tracking domain. `redirect_type` is 301, 302 or js; `pixels` are the URLs that the js page loads first.

    `next_hops` is [hosts, parameter, secrets] if a click may say where it goes, else None. The hosts are those that a
    URL in a parameter may lead to; the parameter is the one that every link obeys, or None.
    """

    profile_id: int
    name: str
    active: bool
    redirect_type: str
    fallback_url: str | None
    pixels: list[str]
    pixel_timeout_ms: int
    next_hops: list[Any] | None = None


class PublishedLink(NamedTuple):
    """A link. `parts` is a compiled template (tracking.clicks.template); `sub_defaults` are sub1..sub10 or null.

    `plan` are its rules as tracking.routing.plan compiles them, None for most links.

    Nobody may change a decoded link, since the links without defaults share one list.
    """

    link_id: int
    active: bool
    parts: list[str]
    source: str | None
    sub_defaults: list[str | None]
    plan: list[Any] | None = None


class PublishedToken(NamedTuple):
    """A merchant account's postback token, by its hash; `currency` is the account's default."""

    merchant_id: int
    currency: str


class PublishedAccount(NamedTuple):
    """A merchant account. `authentication` is none, token, hmac or address.

    `networks`, in CIDR form, are those from which postbacks may come; if there are none, from any. `rate_per_minute` is
    None for the edge's own setting. Postbacks are signed with one of `secrets`. `mapping` is that of
    tracking.postbacks.parsing.account_rules.
    """

    merchant_id: int
    currency: str
    authentication: str
    networks: list[str]
    rate_per_minute: int | None
    secrets: list[str]
    mapping: dict[str, Any]


class PublishedEvents(NamedTuple):
    """The event types in use, and those of them that may count several times for a click without an order id."""

    events: list[str]
    repeatable: list[str]


def profile_key(domain: str) -> str:
    """Return the key of the profile that answers on `domain`."""
    return f"p:{domain}"


def link_key(profile_id: int | None, slug: str) -> str:
    """Return the key of a link."""
    return f"l:{profile_id or NO_PROFILE}:{slug}"


def token_key(token: str) -> str:
    """Return the key of a postback token. SECURITY: it has the token's hash; the token itself is stored nowhere."""
    return f"t:{hash_token(token)}"


def account_key(merchant_id: int) -> str:
    """Return the key of a merchant account."""
    return f"a:{merchant_id}"


def rotation_key(rotation_id: int) -> str:
    """Return the key of a rotation."""
    return f"r:{rotation_id}"


def events_key() -> str:
    """Return the one key of all event types in use."""
    return "e"


def hash_token(token: str) -> str:
    """Return the SHA-256 of a token in hex. Tokens are 256 random bits, so no salt or stretching is needed."""
    return sha256(token.encode()).hexdigest()


def encode_published(
    value: PublishedProfile | PublishedLink | PublishedToken | PublishedAccount | PublishedEvents,
) -> bytes:
    """Return the value to publish."""
    if isinstance(value, PublishedLink):
        return orjson.dumps(_link_fields(value))
    # A profile without next hops is encoded as releases that do not know them read it.
    fields = value[:-1] if isinstance(value, PublishedProfile) and value.next_hops is None else tuple(value)
    return orjson.dumps(fields)


# PERF: there are few profiles. Without this cache, every click of a link that is not cached would decode its profile.
@lru_cache(1024)
def decode_profile(data: bytes) -> PublishedProfile:
    """Return a profile, which nobody may change. `data` is not validated."""
    return PublishedProfile(*orjson.loads(data))


def decode_link(data: bytes) -> PublishedLink:
    """Return a link. `data` is not validated."""
    fields: list[Any] = orjson.loads(data)
    if len(fields) == 2:
        # PERF: most links look like this, and a click of one that is not cached has to decode it.
        return PublishedLink(fields[0], True, fields[1], None, _NO_DEFAULTS)
    link_id, parts, active, source, subs, plan = fields + _USUAL[len(fields) :]
    return PublishedLink(link_id, active, parts, source, subs + _NO_DEFAULTS[len(subs) :], plan)


def decode_token(data: bytes) -> PublishedToken:
    """Return a token. `data` is not validated."""
    return PublishedToken(*decode_array(data))


def decode_account(data: bytes) -> PublishedAccount:
    """Return an account. `data` is not validated."""
    return PublishedAccount(*decode_array(data))


def decode_events(data: bytes) -> PublishedEvents:
    """Return the event types in use. `data` is not validated."""
    return PublishedEvents(*decode_array(data))


def _link_fields(link: PublishedLink) -> list[Any]:
    """Return a link's fields in the order in which they are encoded, without usual values at the end.

    PERF: with all fields, the usual link takes 63 bytes more, and a million of them have to fit into memory.
    """
    subs = [*link.sub_defaults]
    while subs and subs[-1] is None:
        subs.pop()
    fields = [link.link_id, link.parts]
    if link.plan is not None:
        return [*fields, link.active, link.source, subs, link.plan]
    if subs:
        return [*fields, link.active, link.source, subs]
    if link.source is not None:
        return [*fields, link.active, link.source]
    return fields if link.active else [*fields, link.active]


def encode_array(values: Sequence[Any]) -> bytes:
    """Return a value to publish that is an array already."""
    return orjson.dumps(values)


def decode_array(data: bytes) -> list[Any]:
    """Return a published value as it is."""
    values: list[Any] = orjson.loads(data)
    return values
