"""How an account's postbacks are read and where they may come from, as fields of a merchant."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import Field

from admin_api.http import Body, ConflictError, EventName, OneOf, checked
from tracking.conversions import ConversionStatus
from tracking.postbacks import PARAMETER_NAMES, PLATFORMS
from tracking.runtime import FieldError, WaypostError

NAMES_MAX = 10
WORDS_MAX = 200
NETWORKS_MAX = 200
CHARACTERS_MAX = 64
RATE_MAX = 1_000_000
# The edge reads it before anything else, so it cannot also be a field of the report.
_RESERVED = "token"


def check_parameter_names(given: dict[str, list[str]], field: str) -> dict[str, list[str]]:
    """Return lists of parameter names by field of a postback, without repetition, or raise FieldError."""
    known = ", ".join(PARAMETER_NAMES)
    names: dict[str, list[str]] = {}
    for key, listed in given.items():
        if key not in PARAMETER_NAMES:
            raise FieldError(field, f"{field} has {key[:40]!r}; its keys are the fields of a postback: {known}")
        if not 1 <= len(listed) <= NAMES_MAX:
            raise FieldError(field, f"{field}.{key} must be a list of 1 to {NAMES_MAX} parameter names")
        names[key] = [_word(name, field) for name in listed]
    every = [name for listed in names.values() for name in listed]
    if len(set(every)) < len(every) or _RESERVED in every:
        raise FieldError(field, f"{field} must name each parameter once, and not {_RESERVED}")
    return names


def check_words(given: dict[str, str], field: str) -> dict[str, str]:
    """Return meanings by the account's own words in small letters, or raise FieldError."""
    if len(given) > WORDS_MAX:
        raise FieldError(field, f"{field} must be an object with at most {WORDS_MAX} entries")
    words = {_word(word, field).lower(): str(meant) for word, meant in given.items()}
    if len(words) < len(given):
        raise FieldError(field, f"{field} has a word twice; capital and small letters are not told apart")
    return words


def check_networks(given: list[str], field: str) -> list[str]:
    """Return addresses and networks in CIDR form, or raise FieldError."""
    try:
        # A zone means something on one machine only, and PostgreSQL does not take zones.
        return [str(ip_network(each.strip() if "%" not in each else "")) for each in given]
    except ValueError as error:
        reason = str(error)[:80]
        raise FieldError(
            field, f"{field} must hold addresses such as 203.0.113.7 or networks such as 203.0.113.0/24: {reason}"
        ) from error


class MappingFields(Body):
    """How an account's postbacks are read, as a client may set it."""

    parameter_names: Annotated[dict[str, list[str]], checked(check_parameter_names)] = {}
    """Its own names of parameters, as lists by `click_id`, `event`, `payout`, `currency`, `order_id` or `status`."""
    event_words: Annotated[dict[str, EventName], checked(check_words)] = {}
    """The account's own words for event types."""
    status_words: Annotated[dict[str, ConversionStatus], checked(check_words)] = {}
    """The account's own words for statuses."""
    default_event: EventName | None = None
    """The event of postbacks that name no event."""
    decimal_separator: Literal[".", ","] | None = None
    """What the account writes before decimals. Without it, an amount that can be read in two ways is refused."""
    platform: Annotated[str, OneOf(tuple(PLATFORMS))] | None = None
    """The affiliate platform that the merchant is on; see /v1/platforms."""
    postback_addresses: Annotated[list[str], Field(max_length=NETWORKS_MAX), checked(check_networks)] = []
    """The addresses and CIDR networks from which its postbacks may come. An empty list allows any."""
    postback_rate_per_minute: Annotated[int, Field(ge=1, le=RATE_MAX)] | None = None
    """How many postbacks it may send per minute. Null means the setting POSTBACK_RATE_PER_MINUTE."""


def _unknown_event(field: str) -> FieldError:
    return FieldError(
        field, f"{field} names an event type that does not exist; see /v1/event-types, and create it there"
    )


# The errors by the constraint that a change violates.
MAPPING_CONFLICTS: dict[str, Callable[[], WaypostError]] = {
    "merchants_default_event_fkey": partial(_unknown_event, "default_event"),
    "merchants_event_words_known": partial(_unknown_event, "event_words"),
    "merchants_address_is_given": partial(
        FieldError, "postback_addresses", "postback_auth address needs postback_addresses; give at least one network"
    ),
    "merchants_secret_is_made": partial(
        ConflictError,
        "postback_auth hmac needs a secret; make one first: POST /v1/merchants/{merchant_id}/secrets",
        field="postback_auth",
    ),
}


def _word(value: str, field: str) -> str:
    word = value.strip()
    if not 1 <= len(word) <= CHARACTERS_MAX or not word.isprintable():
        raise FieldError(field, f"{field} must hold words of 1 to {CHARACTERS_MAX} printable characters")
    return word
