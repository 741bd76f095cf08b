"""How an account's postbacks are read and where they may come from, as fields of a merchant: their parsers."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from ipaddress import ip_network
from typing import Any

from admin_api.http import ConflictError, Field, choice, matching, whole
from tracking.conversions import ConversionStatus
from tracking.postbacks import PARAMETER_NAMES, PLATFORMS
from tracking.runtime import FieldError, WaypostError

NAMES_MAX = 10
WORDS_MAX = 200
NETWORKS_MAX = 200
CHARACTERS_MAX = 64
RATE_MAX = 1_000_000
# Read by the edge before anything else, so it cannot be a field of the report too.
_RESERVED = "token"
_EVENT = re.compile("[a-z][a-z0-9_]{0,39}")


def parameter_names(value: Any, field: str) -> dict[str, list[str]]:
    """Accept lists of parameter names by field of a postback, no name twice."""
    known = ", ".join(PARAMETER_NAMES)
    names: dict[str, list[str]] = {}
    for key, given in _object(value, field).items():
        if key not in PARAMETER_NAMES:
            raise FieldError(field, f"{field} has {key[:40]!r}; its keys are the fields of a postback: {known}")
        if not isinstance(given, list) or not 1 <= len(given) <= NAMES_MAX:
            raise FieldError(field, f"{field}.{key} must be a list of 1 to {NAMES_MAX} parameter names")
        names[key] = [_word(name, field) for name in given]
    every = [name for given in names.values() for name in given]
    if len(set(every)) < len(every) or _RESERVED in every:
        raise FieldError(field, f"{field} must name each parameter once, and not {_RESERVED}")
    return names


def event_words(value: Any, field: str) -> dict[str, str]:
    """Accept event types by the account's own words for them, which are kept in small letters."""
    words = _words(value, field)
    for word, meant in words.items():
        if not isinstance(meant, str) or not _EVENT.fullmatch(meant):
            raise FieldError(field, f"{field} must give {word!r} the name of an event type such as ftd")
    return words


def status_words(value: Any, field: str) -> dict[str, str]:
    """Accept statuses by the account's own words for them, which are kept in small letters."""
    words = _words(value, field)
    for word, meant in words.items():
        if not isinstance(meant, str) or meant not in set(ConversionStatus):
            raise FieldError(field, f"{field} must give {word!r} one of {', '.join(ConversionStatus)}")
    return words


def networks(value: Any, field: str) -> list[str]:
    """Accept a list of addresses and networks; stored in CIDR form."""
    if not isinstance(value, list) or len(value) > NETWORKS_MAX:
        raise FieldError(field, f"{field} must be a list of at most {NETWORKS_MAX} addresses or networks")
    try:
        # A zone means something on one machine alone; PostgreSQL and other hosts know none.
        return [
            str(ip_network(given.strip() if isinstance(given, str) and "%" not in given else "")) for given in value
        ]
    except ValueError as error:
        reason = str(error)[:80]
        raise FieldError(
            field, f"{field} must hold addresses such as 203.0.113.7 or networks such as 203.0.113.0/24: {reason}"
        ) from error


MAPPING_FIELDS = (
    Field("parameter_names", parameter_names, default={}),
    Field("event_words", event_words, default={}),
    Field("status_words", status_words, default={}),
    Field(
        "default_event", matching(_EVENT.pattern, "the name of an event type such as ftd"), default=None, nullable=True
    ),
    Field("decimal_separator", choice(".", ","), default=None, nullable=True),
    Field("platform", choice(*PLATFORMS), default=None, nullable=True),
    Field("postback_addresses", networks, default=[]),
    Field("postback_rate_per_minute", whole(1, RATE_MAX), default=None, nullable=True),
)


def _unknown_event(field: str) -> FieldError:
    return FieldError(
        field, f"{field} names an event type that does not exist; see /v1/event-types, and create it there"
    )


# By the constraint that a change violates.
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


def _object(value: Any, field: str) -> dict[str, Any]:
    if not isinstance(value, dict) or len(value) > WORDS_MAX:
        raise FieldError(field, f"{field} must be an object with at most {WORDS_MAX} entries")
    return value


def _words(value: Any, field: str) -> dict[str, Any]:
    words = {_word(word, field).lower(): meant for word, meant in _object(value, field).items()}
    if len(words) < len(value):
        raise FieldError(field, f"{field} has a word twice; capital and small letters are not told apart")
    return words


def _word(value: Any, field: str) -> str:
    word = value.strip() if isinstance(value, str) else ""
    if not 1 <= len(word) <= CHARACTERS_MAX or not word.isprintable():
        raise FieldError(field, f"{field} must hold words of 1 to {CHARACTERS_MAX} printable characters")
    return word
