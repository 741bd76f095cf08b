"""What an outgoing postback contains: its macros, the URL of one delivery, and the JSON body of a POST. Pure.

The *facts* of a delivery are a JSON object that is made when it is planned. It has the names below, and `parameters`:
all query parameters of the click. Amounts are in minor units; `payout` is the same amount in major units, as text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any
from urllib.parse import quote, urlsplit

from tracking.clicks import (
    CAMPAIGN_NAMES,
    COST_NAMES,
    EXTERNAL_ID_NAMES,
    SUB_NAMES,
    TemplateParts,
    check_url,
    compile_template,
    first_value,
)
from tracking.money import format_amount
from tracking.outgoing.public_address import Network, check_host

Facts = Mapping[str, Any]

# The macros that Waypost has values for. Any other name means the click's query parameter of that name.
OUTGOING_MACROS = (
    *("click_id", "external_id", "conversion_id", "delivery_id", "event", "status", "previous_status"),
    *("payout", "payout_minor", "currency", "commission", "commission_minor", "commission_currency", "order_id"),
    *("timestamp", "click_timestamp", "random", "campaign", "cost", "source", "link_id", "slug"),
    *("country", "region", "city", "device", "os", "browser", "language", "ip", "user_agent", "referrer"),
    *SUB_NAMES,
)
# What a delivery itself is the source of, so that facts do not have it.
_OF_DELIVERY = ("delivery_id", "random")
# The longest URL of a delivery. Values that a visitor sent make it longer than the longest template: an emoji becomes
# twelve characters. A delivery that was refused for them would never reach the partner.
RENDERED_CHARACTERS_MAX = 65_536
# 2026-01-01T00:00:00Z.
SAMPLE_TIMESTAMP = 1_767_225_600
_RANDOM_COUNT = 10**10
_IN_BODY = tuple(name for name in OUTGOING_MACROS if name not in (*_OF_DELIVERY, "ip", "user_agent", "referrer"))


def conversion_facts(conversion: Facts, click: Facts) -> dict[str, Any]:
    """Return the facts of a delivery from those of the changed conversion and those of its click."""
    parameters = click.get("parameters") or {}
    return {
        **{name: None for name in OUTGOING_MACROS if name not in _OF_DELIVERY},
        **click,
        **conversion,
        "payout": _major(conversion.get("payout_minor"), conversion.get("currency")),
        "commission": _major(conversion.get("commission_minor"), conversion.get("commission_currency")),
        "country": conversion.get("country") or click.get("country"),
        "external_id": first_value(EXTERNAL_ID_NAMES, parameters),
        "campaign": first_value(CAMPAIGN_NAMES, parameters),
        "cost": first_value(COST_NAMES, parameters),
        "parameters": parameters,
    }


def sample_facts() -> dict[str, Any]:
    """Return made-up facts of a test delivery: each text begins with `test-`, and the amount is 1.00 USD."""
    said: dict[str, Any] = {
        **{name: f"test-{name.replace('_', '-')}" for name in OUTGOING_MACROS if name not in _OF_DELIVERY},
        "event": "conversion",
        "status": "approved",
        "previous_status": None,
        "payout_minor": 100,
        "currency": "USD",
        "commission_minor": 100,
        "commission_currency": "USD",
        "timestamp": SAMPLE_TIMESTAMP,
        "click_timestamp": SAMPLE_TIMESTAMP,
        "link_id": 0,
        "country": None,
        "ip": "192.0.2.1",
    }
    return conversion_facts(said, {"parameters": {"cid": "test-external-id", "campaign": "test-campaign"}})


def compile_outgoing(url: str, field: str, allowed: Sequence[Network] = ()) -> TemplateParts:
    """Return the compiled template of an outgoing postback's URL, or raise FieldError naming `field` and the fix.

    A host that is known not to be public is refused, unless it is in one of the `allowed` networks.
    """
    parts = compile_template(url, field)
    # A template has no macro in its host, so the whole host is in the first part.
    check_host(urlsplit(parts[0]).hostname or "", allowed, field)
    return parts


def render_url(parts: TemplateParts, facts: Facts, delivery_id: str) -> str:
    """Return the URL of one delivery, with every value percent-encoded as UTF-8. An unknown value is empty.

    SECURITY: the URL is checked again, since anybody could have written it into the database. Raises FieldError.
    """
    pieces = list(parts)
    for place in range(1, len(pieces), 2):
        pieces[place] = quote(_value(pieces[place], facts, delivery_id), safe="", errors="replace")
    return check_url("".join(pieces), "url", RENDERED_CHARACTERS_MAX)


def render_body(facts: Facts, *, is_test: bool) -> dict[str, Any]:
    """Return the JSON object of a POST: `type`, `timestamp` and `data`, as Standard Webhooks suggests."""
    moment = facts.get("timestamp")
    return {
        "type": f"conversion.{facts.get('status')}",
        "timestamp": None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z"),
        "test": is_test,
        "data": {**{name: facts.get(name) for name in _IN_BODY}, "parameters": facts.get("parameters") or {}},
    }


def _major(amount_minor: Any, currency: Any) -> str | None:
    return None if amount_minor is None or currency is None else format_amount(amount_minor, currency)


def _value(name: str, facts: Facts, delivery_id: str) -> str:
    if name == "delivery_id":
        return delivery_id
    if name == "random":
        # Every attempt of a delivery says the same.
        return str(int.from_bytes(blake2b(delivery_id.encode(), digest_size=8).digest()) % _RANDOM_COUNT)
    value = facts.get(name) if name in OUTGOING_MACROS else (facts.get("parameters") or {}).get(name)
    return "" if value is None else str(value)
