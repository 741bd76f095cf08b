"""Reads a postback's fields out of any form it came in: JSON, form or query, under the names other trackers use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from tracking.click_id import parse_click_id
from tracking.errors import WaypostError
from tracking.events import ConversionStatus, Event, PostbackReason
from tracking.money import parse_amount, parse_currency
from tracking.parameters import parse_query

# Names accepted for each field, in order of precedence.
ALIASES: dict[str, tuple[str, ...]] = {
    "click_id": ("click_id", "clickid", "clickId", "cid", "cnv_id", "subid", "aff_sub", "transaction_id"),
    "event": ("event", "goal", "et", "type", "action"),
    "payout": ("payout", "amount", "sum", "revenue"),
    "currency": ("currency",),
    "order_id": ("order_id", "order", "txid", "tid", "orderid", "action_id", "rdtk_event_id"),
    "status": ("status",),
}
EVENT_WORDS: dict[str, Event] = {event.value: event for event in Event} | {
    "reg": Event.REGISTRATION,
    "signup": Event.REGISTRATION,
    "lead": Event.REGISTRATION,
    "first_deposit": Event.FTD,
    "revshare": Event.REVENUE_SHARE,
    "sale": Event.CONVERSION,
    "purchase": Event.CONVERSION,
}
STATUS_WORDS: dict[str, ConversionStatus] = {status.value: status for status in ConversionStatus} | {
    "declined": ConversionStatus.REJECTED,
    "hold": ConversionStatus.PENDING,
    "chargeback": ConversionStatus.REVERSED,
}
ORDER_ID_CHARACTERS_MAX = 200


class PostbackError(WaypostError):
    """A postback that is refused; `code` is a PostbackReason."""


def read_parameters(query: str, content_type: str, body: bytes) -> dict[str, str]:
    """Return name to text of everything the request carries; the body wins over the query. Raises PostbackError
    bad-body.
    """
    parameters = parse_query(query)
    kind = content_type.partition(";")[0].strip().lower()
    if not body.strip():
        return parameters
    if kind == "application/x-www-form-urlencoded":
        return parameters | parse_query(body.decode("latin-1").strip())
    if kind in ("application/json", "text/json", "") or kind.endswith("+json") or body.lstrip()[:1] == b"{":
        return parameters | _json_parameters(body)
    raise PostbackError(
        f"the body is {kind}; send application/json or application/x-www-form-urlencoded", code=PostbackReason.BAD_BODY
    )


def read_fields(parameters: dict[str, str], keys: Sequence[bytes], default_currency: str) -> dict[str, Any]:
    """Return the record's `fields`, or raise PostbackError (bad-field, unknown-click) or FieldError, naming the
    field.
    """
    texts = {field: _first(parameters, names) for field, names in ALIASES.items()}
    event = _event(texts["event"])
    status = _status(texts["status"])
    order_id = _order_id(texts["order_id"])
    if texts["click_id"] is None:
        raise _bad("click_id", "click_id is missing; send the click id that the tracking link passed to you")
    currency = parse_currency(texts["currency"]) if texts["currency"] else None
    payout_minor = None
    if texts["payout"]:
        currency = currency or default_currency
        payout_minor = parse_amount(texts["payout"], currency)
    click_id = parse_click_id(texts["click_id"], keys)
    if click_id is None:
        raise PostbackError(
            "no such click: click_id was not issued by this tracker",
            code=PostbackReason.UNKNOWN_CLICK,
            field="click_id",
        )
    return {
        "click_id": str(click_id),
        "event": event.value,
        "order_id": order_id,
        "status": status.value if status else None,
        "payout_minor": payout_minor,
        "currency": currency if payout_minor is not None else None,
    }


def _event(text: str | None) -> Event:
    if text is None:
        raise _bad("event", f"event is missing; send one of {', '.join(Event)}")
    event = EVENT_WORDS.get(text.strip().lower())
    if event is None:
        raise _bad("event", f"event {text[:40]!r} is not known; send one of {', '.join(Event)}")
    return event


def _status(text: str | None) -> ConversionStatus | None:
    if text is None:
        return None
    status = STATUS_WORDS.get(text.strip().lower())
    if status is None:
        raise _bad("status", f"status {text[:40]!r} is not known; send one of {', '.join(ConversionStatus)}")
    return status


def _order_id(text: str | None) -> str | None:
    if text is not None and len(text) > ORDER_ID_CHARACTERS_MAX:
        raise _bad("order_id", f"order_id is longer than {ORDER_ID_CHARACTERS_MAX} characters")
    if text is not None and not text.isprintable():
        raise _bad("order_id", "order_id contains control characters")
    return text


def _first(parameters: dict[str, str], names: Sequence[str]) -> str | None:
    for name in names:
        value = parameters.get(name, "").strip()
        if value:
            return value
    return None


def _json_parameters(body: bytes) -> dict[str, str]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise PostbackError(f"the body is not JSON: {error}", code=PostbackReason.BAD_BODY) from error
    if not isinstance(value, dict):
        raise PostbackError("the body must be a JSON object", code=PostbackReason.BAD_BODY)
    parameters: dict[str, str] = {}
    for name, entry in value.items():
        if isinstance(entry, dict | list | bool):
            if any(name in names for names in ALIASES.values()):
                raise _bad(name, f"{name} must be text or a number")
            continue
        if entry is not None:
            parameters[name] = entry if isinstance(entry, str) else _number_text(entry)
    return parameters


def _number_text(number: float) -> str:
    """Return a JSON number as the shortest decimal text that reads back the same, never in exponent form."""
    if isinstance(number, float) and number.is_integer() and abs(number) < 1e15:
        return str(int(number))
    return repr(number)


def _bad(field: str, message: str) -> PostbackError:
    return PostbackError(message, code=PostbackReason.BAD_FIELD, field=field)
