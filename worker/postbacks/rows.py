"""Turns postback records into rows and claims, checked field by field. Pure; raises PoisonError."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.types.json import Jsonb

from config.tables import postbacks
from tracking.clicks import parse_click_id
from tracking.conversions import ConversionStatus, PostbackOutcome, PostbackReason
from tracking.money import AMOUNT_MINOR_MAX
from tracking.postbacks import CORRECTION_CHARACTERS_MAX, ORDER_ID_CHARACTERS_MAX
from tracking.spool import Postback, RecordError, as_text, decode_postback
from worker.conversions import Claim
from worker.runtime import FORGED_CLICK_ID, PoisonError
from worker.spool import BIGINT_MAX, Rules, check_ip, check_moment, storable_text

# After these answers the worker decides. 409 means seen before, which the edge cannot know for certain.
CLAIM_ANSWERS = frozenset({200, 409})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EVENT = re.compile(r"[a-z][a-z0-9_]{0,39}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_CORRECTION = ("field", "from", "to", "rule")
_CORRECTIONS_MAX = 20
_NONCE_CHARACTERS_MAX = 256
# The fields of a claim by their names in the record; their columns are postbacks.CLAIM.
_FIELDS = ("click_id", "event", "order_id", "status", "payout_minor", "currency")


class Origin(NamedTuple):
    """The postback that makes a claim, and the account it is for: None unless a token named one."""

    postback_id: UUID
    received_at: datetime
    merchant_id: int | None
    authenticated: bool


class PostbackRow(NamedTuple):
    """A postback as it is first stored. `outcome` is parked if `claim` is set, else refused."""

    number: int
    postback_id: UUID
    received_at: datetime
    raw: Postback
    ip: str | None
    outcome: PostbackOutcome
    reason: str | None
    fields: Mapping[str, Any]
    corrections: Sequence[Mapping[str, str | None]]
    claim: Claim | None

    @property
    def origin(self) -> Origin:
        """The postback and the account for which a claim is made."""
        return Origin(self.postback_id, self.received_at, self.raw.merchant_id, self.raw.authenticated)


def postback_row(payload: object, number: int, rules: Rules) -> PostbackRow:
    """Return the row of record `number` of a spool, or raise PoisonError."""
    raw = _decode(payload)
    check_moment(raw.at_ms, rules.now_ms)
    try:
        postback_id = UUID(raw.postback_id)
    except ValueError as error:
        raise PoisonError(f"not a UUID: {raw.postback_id[:60]!r}", code="bad-field") from error
    received_at = _EPOCH + timedelta(milliseconds=raw.at_ms)
    claim = None
    outcome, reason, fields = PostbackOutcome.REFUSED, raw.reason, _readable(raw.fields or {})
    corrections = storable_corrections((raw.fields or {}).get("corrections"))
    if raw.answered in CLAIM_ANSWERS:
        origin = Origin(postback_id, received_at, raw.merchant_id, raw.authenticated)
        claim = claim_of(raw.fields or {}, origin, rules.click_id_keys)
        outcome, reason = PostbackOutcome.PARKED, PostbackReason.CLICK_NOT_STORED_YET.value
        fields = dict(zip(_FIELDS, (claim.click_id, *claim[3:8]), strict=True))
    ip = check_ip(raw.ip)
    return PostbackRow(number, postback_id, received_at, raw, ip, outcome, reason, fields, corrections, claim)


def row_values(row: PostbackRow, spool_id: str) -> dict[str, object]:
    """Return the values of a postback's columns, by name."""
    raw = row.raw
    return {
        "postback_id": row.postback_id,
        "received_at": row.received_at,
        "spool_id": spool_id,
        "spool_number": row.number,
        **{name: as_text(getattr(raw, name)) for name in postbacks.REQUEST},
        "ip": row.ip,
        "merchant_id": raw.merchant_id,
        "authenticated": raw.authenticated,
        **{column: row.fields.get(name) for name, column in zip(_FIELDS, postbacks.CLAIM, strict=True)},
        "answered": raw.answered,
        "outcome": row.outcome.value,
        "reason": None if row.reason is None else storable_text(row.reason),
        # For a claim the edge's detail is left out, since the worker decides it.
        "detail": None if raw.detail is None or row.claim is not None else storable_text(raw.detail),
        "corrections": Jsonb(row.corrections),
        "claimed": row.claim is not None,
        "nonce": None if raw.nonce is None else storable_text(raw.nonce),
    }


def _decode(payload: object) -> Postback:
    if not isinstance(payload, str):
        raise PoisonError("the payload is not text", code="bad-record")
    try:
        raw = decode_postback(payload)
    except RecordError as error:
        raise PoisonError(error.message, code=error.code) from error
    for name in ("postback_id", *postbacks.REQUEST):
        _require(type(getattr(raw, name)) is str, name)
    for name in ("reason", "detail"):
        _require(getattr(raw, name) is None or type(getattr(raw, name)) is str, name)
    _require(type(raw.at_ms) is int, "at_ms")
    _require(type(raw.answered) is int and 100 <= raw.answered <= 599, "answered")
    _require(type(raw.authenticated) is bool, "authenticated")
    _require(raw.merchant_id is None or _is_bigint(raw.merchant_id), "merchant_id")
    nonce = raw.nonce
    _require(nonce is None or (type(nonce) is str and 0 < len(nonce) <= _NONCE_CHARACTERS_MAX), "nonce")
    _require(raw.fields is None or type(raw.fields) is dict, "fields")
    return raw


def claim_of(said: Mapping[str, Any], origin: Origin, keys: Sequence[bytes]) -> Claim:
    """Return the claim in a postback's fields; raises PoisonError if they are not as the edge writes them."""
    click_id, event, order_id, status, payout_minor, currency = (said.get(name) for name in _FIELDS)
    value = parse_click_id(click_id, keys) if type(click_id) is str else None
    if value is None:
        raise PoisonError(f"not a click id of ours: {str(click_id)[:60]!r}", code=FORGED_CLICK_ID)
    event = event if type(event) is str else ""
    _require(_EVENT.fullmatch(event) is not None, "event")
    # The edge accepts no longer order id, and a row of an index takes at most 2,704 bytes.
    _require(order_id is None or (type(order_id) is str and len(order_id) <= ORDER_ID_CHARACTERS_MAX), "order_id")
    _require(status is None or (type(status) is str and status in set(ConversionStatus)), "status")
    _require(payout_minor is None or (_is_bigint(payout_minor) and payout_minor <= AMOUNT_MINOR_MAX), "payout_minor")
    _require(currency is None or (type(currency) is str and _CURRENCY.fullmatch(currency) is not None), "currency")
    _require(payout_minor is None or currency is not None, "currency")
    return Claim(
        origin.postback_id,
        origin.received_at,
        value,
        event,
        storable_text(order_id) if order_id else None,
        None if status is None else ConversionStatus(status),
        payout_minor,
        currency,
        origin.merchant_id,
        origin.authenticated,
    )


def storable_corrections(value: object) -> list[dict[str, str | None]]:
    """Return the corrections of a record's fields as they are stored, without any that we do not know."""
    if type(value) is not list:
        return []
    return [
        {
            name: None if text is None else storable_text(text[:CORRECTION_CHARACTERS_MAX])
            for name, text in each.items()
            if name in _CORRECTION and (text is None or type(text) is str)
        }
        for each in value[:_CORRECTIONS_MAX]
        if type(each) is dict and type(each.get("rule")) is str and type(each.get("field")) is str
    ]


def _readable(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return those fields of a refused postback that can be stored; the raw request has all of them."""
    texts = {
        name: storable_text(said[name][:ORDER_ID_CHARACTERS_MAX])
        for name in ("event", "order_id", "status", "currency")
        if type(said.get(name)) is str
    }
    readable: dict[str, Any] = dict(texts)
    try:
        readable["click_id"] = UUID(said.get("click_id"))
    except (ValueError, TypeError, AttributeError):
        readable["click_id"] = None
    if _is_bigint(said.get("payout_minor")):
        readable["payout_minor"] = said["payout_minor"]
    return readable


def _is_bigint(value: object) -> bool:
    return type(value) is int and 0 <= value <= BIGINT_MAX


def _require(holds: bool, name: str) -> None:
    if not holds:
        raise PoisonError(f"{name} is not what a postback record holds", code="bad-field")
