"""Click and postback records as the spool holds them: orjson arrays that begin with the version of their format.

Text of a request is kept as the bytes arrived, one character for each byte (latin-1, as in WSGI). `as_text` makes it
readable when it is stored. A record of an unknown form raises RecordError.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from tracking.runtime import WaypostError

CLICK_RECORD_VERSION = 2
POSTBACK_RECORD_VERSION = 2


class RecordError(WaypostError):
    """A payload that is not a record of any version that this release knows."""

    code = "bad-record"


class Click(NamedTuple):
    """One answered request for a link with an active profile. Times are Unix milliseconds; text is latin-1 of bytes.

    `routing` is None for a link without rules. Else it tells why the click went where it went: the link's revision, for
    each rule that was passed over the number of the condition that failed, rule_id, destination_id, `how`, and the
    facts that were looked up. Version 1 does not have it.
    """

    click_id: str
    at_ms: int
    link_id: int
    profile_id: int
    config_version: int
    method: str
    host: str
    slug: str
    query: str
    ip: str
    user_agent: str
    referrer: str
    accept_language: str
    purpose: str
    location: str
    sub_defaults: list[str | None]
    routing: list[Any] | None = None


class Postback(NamedTuple):
    """One received postback, as the edge answered it.

    `fields` has click_id, event, order_id, status, payout_minor, currency, and `corrections`, each with field, from, to
    and rule. It is None if the request could not be parsed. `merchant_id` is None unless a token named the account.
    `body` is latin-1 of bytes. `nonce` is the id of a signed request, None unless its signature is valid. Version 1 has
    no nonce and no corrections.
    """

    postback_id: str
    at_ms: int
    route: str
    method: str
    host: str
    query: str
    content_type: str
    body: str
    ip: str
    user_agent: str
    merchant_id: int | None
    authenticated: bool
    answered: int
    reason: str | None
    detail: str | None
    fields: dict[str, Any] | None
    nonce: str | None = None


# A field that an earlier version does not have comes last and has a default.
_CLICK_FIELDS = {1: len(Click._fields) - 1, CLICK_RECORD_VERSION: len(Click._fields)}
_POSTBACK_FIELDS = {1: len(Postback._fields) - 1, POSTBACK_RECORD_VERSION: len(Postback._fields)}


def encode_click(click: Click) -> bytes:
    """Return the spool payload of a click. `Visit.record` of the edge does the same without making a Click."""
    return orjson.dumps((CLICK_RECORD_VERSION, *click))


def encode_postback(postback: Postback) -> bytes:
    """Return the spool payload of a postback."""
    return orjson.dumps((POSTBACK_RECORD_VERSION, *postback))


def decode_click(payload: str | bytes) -> Click:
    """Return the click of a payload of any version, or raise RecordError."""
    return Click(*_values(payload, _CLICK_FIELDS))


def decode_postback(payload: str | bytes) -> Postback:
    """Return the postback of a payload of any version, or raise RecordError."""
    return Postback(*_values(payload, _POSTBACK_FIELDS))


def as_text(raw: str) -> str:
    """Return latin-1 of bytes as text that PostgreSQL can store: invalid UTF-8 and NUL become U+FFFD."""
    if raw.isascii():
        return raw.replace("\x00", "\ufffd")
    return raw.encode("latin-1", "replace").decode("utf-8", "replace").replace("\x00", "\ufffd")


def _values(payload: str | bytes, counts: Mapping[int, int]) -> list[Any]:
    """Return a payload's values after its version. `counts` has how many there are in each known version."""
    try:
        values = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise RecordError(f"not JSON: {error}") from error
    if not isinstance(values, list) or not values:
        raise RecordError("not an array")
    version, known = values[0], " and ".join(map(str, counts))
    if type(version) is not int or version not in counts:
        raise RecordError(f"record version {version!r}, this release reads {known}")
    if len(values) != counts[version] + 1:
        raise RecordError(f"{len(values) - 1} fields where version {version} has {counts[version]}")
    return values[1:]
