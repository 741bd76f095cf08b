"""Postback records as rows and claims: checked field by field, pure. A record that does not fit raises PoisonError."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from tracking.click_id import parse_click_id
from tracking.events import ConversionStatus, Event, PostbackOutcome, PostbackReason
from tracking.records import Postback, RecordError, as_text, decode_postback
from worker.click_rows import BIGINT_MAX, Rules, check_ip, check_moment
from worker.errors import FORGED_CLICK_ID, PoisonError
from worker.matching import Claim
from worker.poison import storable_text

# The edge's answers that leave the judging to the worker: recorded, and seen before (which may prove wrong).
JUDGED_ANSWERS = frozenset({200, 409})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CURRENCY = re.compile(r"[A-Z]{3}")
_TEXTS = ("route", "method", "host", "query", "content_type", "body", "ip", "user_agent")


class PostbackRow(NamedTuple):
    """A postback as it is first stored. `outcome` is parked where it is to be judged (`claim` is set), else refused."""

    number: int
    postback_id: UUID
    received_at: datetime
    raw: Postback
    ip: str | None
    outcome: PostbackOutcome
    reason: str | None
    fields: Mapping[str, Any]
    claim: Claim | None


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
    if raw.answered in JUDGED_ANSWERS:
        claim = _claim(raw, postback_id, received_at, rules)
        outcome, reason = PostbackOutcome.PARKED, PostbackReason.CLICK_NOT_STORED_YET.value
        fields = dict(zip(_FIELDS, (claim.click_id, *claim[3:8]), strict=True))
    return PostbackRow(number, postback_id, received_at, raw, check_ip(raw.ip), outcome, reason, fields, claim)


def row_values(row: PostbackRow, spool_id: str) -> list[object]:
    """Return the values of the postbacks table's columns, in the order of postback_table."""
    raw = row.raw
    texts = [as_text(getattr(raw, name)) for name in _TEXTS if name != "ip"]
    detail = None if raw.detail is None else storable_text(raw.detail)
    reason = None if row.reason is None else storable_text(row.reason)
    identity = [row.postback_id, row.received_at, spool_id, row.number]
    judged = [raw.answered, row.outcome.value, reason, detail]
    return [
        *identity,
        *texts,
        row.ip,
        raw.merchant_id,
        raw.authenticated,
        *(row.fields.get(name) for name in _FIELDS),
        *judged,
    ]


_FIELDS = ("click_id", "event", "order_id", "status", "payout_minor", "currency")


def _decode(payload: object) -> Postback:
    if not isinstance(payload, str):
        raise PoisonError("the payload is not text", code="bad-record")
    try:
        raw = decode_postback(payload)
    except RecordError as error:
        raise PoisonError(error.message, code=error.code) from error
    for name in ("postback_id", *_TEXTS):
        _require(type(getattr(raw, name)) is str, name)
    for name in ("reason", "detail"):
        _require(getattr(raw, name) is None or type(getattr(raw, name)) is str, name)
    _require(type(raw.at_ms) is int, "at_ms")
    _require(type(raw.answered) is int and 100 <= raw.answered <= 599, "answered")
    _require(type(raw.authenticated) is bool, "authenticated")
    _require(raw.merchant_id is None or _is_bigint(raw.merchant_id), "merchant_id")
    _require(raw.fields is None or type(raw.fields) is dict, "fields")
    return raw


def _claim(raw: Postback, postback_id: UUID, received_at: datetime, rules: Rules) -> Claim:
    said = raw.fields or {}
    click_id, event, order_id, status, payout_minor, currency = (said.get(name) for name in _FIELDS)
    value = parse_click_id(click_id, rules.click_id_keys) if type(click_id) is str else None
    if value is None:
        raise PoisonError(f"not a click id of ours: {str(click_id)[:60]!r}", code=FORGED_CLICK_ID)
    event = event if type(event) is str else ""
    _require(event in set(Event), "event")
    _require(order_id is None or type(order_id) is str, "order_id")
    _require(status is None or (type(status) is str and status in set(ConversionStatus)), "status")
    _require(payout_minor is None or _is_bigint(payout_minor), "payout_minor")
    _require(currency is None or (type(currency) is str and _CURRENCY.fullmatch(currency) is not None), "currency")
    _require(payout_minor is None or currency is not None, "currency")
    return Claim(
        postback_id,
        received_at,
        value,
        Event(event),
        storable_text(order_id) if order_id else None,
        None if status is None else ConversionStatus(status),
        payout_minor,
        currency,
        raw.merchant_id,
        raw.authenticated,
    )


def _readable(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what can be stored of a refused postback's fields; the raw request is there for the rest."""
    texts = {name: storable_text(said[name]) for name in ("event", "order_id", "status") if type(said.get(name)) is str}
    readable: dict[str, Any] = dict(texts)
    try:
        readable["click_id"] = UUID(said.get("click_id"))
    except (ValueError, TypeError, AttributeError):
        readable["click_id"] = None
    if _is_bigint(said.get("payout_minor")):
        readable["payout_minor"] = said["payout_minor"]
    if type(said.get("currency")) is str:
        readable["currency"] = storable_text(said["currency"])
    return readable


def _is_bigint(value: object) -> bool:
    return type(value) is int and 0 <= value <= BIGINT_MAX


def _require(holds: bool, name: str) -> None:
    if not holds:
        raise PoisonError(f"{name} is not what a postback record holds", code="bad-field")
