"""Parses a postback's fields from its parameters, also under the names and words of other trackers.

Pure. The edge parses each postback once, and a replay parses the raw request again by the account's rules of that day.
`corrections` says what was corrected. What can mean two things is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tracking.conversions import ConversionStatus, Event, PostbackReason
from tracking.money import format_amount, parse_currency
from tracking.postbacks.amounts import JsonNumber, parse_written_amount
from tracking.postbacks.click_reference import Correction, CorrectionRule, FoundClick, find_click, is_junk
from tracking.postbacks.parameters import Parameters, PostbackError, parse_parameters
from tracking.postbacks.platforms import with_platform
from tracking.postbacks.vocabulary import (
    EVENT_FLAGS,
    EVENT_OF_STATUS_WORD,
    EVENT_WORDS,
    PARAMETER_NAMES,
    STATUS_WORDS,
    with_own_names,
)

__all__ = ["AccountRules", "Parameters", "PostbackError", "account_rules", "parse_fields", "parse_parameters"]

DEFAULT_CURRENCY = "USD"
ORDER_ID_CHARACTERS_MAX = 200
_YES = frozenset({"1", "true", "yes"})
_NO = frozenset({"", "0", "false", "no"})


@dataclass(frozen=True, slots=True)
class AccountRules:
    """How one account's postbacks are parsed. Words are in small letters.

    `names` are the accepted parameters of each field, `own_click_names` those that the account has set for the click
    id. `default_event` is the event of a postback that names none. `events` are the event types that exist.
    """

    merchant_id: int | None = None
    currency: str = DEFAULT_CURRENCY
    names: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: PARAMETER_NAMES)
    own_click_names: tuple[str, ...] = ()
    event_words: Mapping[str, str] = field(default_factory=dict)
    status_words: Mapping[str, str] = field(default_factory=dict)
    default_event: str | None = None
    decimal_separator: str | None = None
    events: frozenset[str] = frozenset(Event)


# The settings of an account's postbacks: columns of merchants, and keys of the published account's mapping.
MAPPING_NAMES = ("parameter_names", "event_words", "status_words", "default_event", "decimal_separator", "platform")


def account_rules(
    merchant_id: int | None, currency: str, mapping: Mapping[str, Any], events: frozenset[str]
) -> AccountRules:
    """Return an account's rules. `mapping` may have each of MAPPING_NAMES; it may also be missing or None."""
    own = with_platform(mapping.get("parameter_names") or {}, mapping.get("platform"))
    return AccountRules(
        merchant_id,
        currency,
        with_own_names(own),
        own.get("click_id", ()),
        {word.lower(): event for word, event in (mapping.get("event_words") or {}).items()},
        {word.lower(): status for word, status in (mapping.get("status_words") or {}).items()},
        mapping.get("default_event"),
        mapping.get("decimal_separator"),
        events,
    )


def parse_fields(parameters: Parameters, keys: Sequence[bytes], rules: AccountRules) -> dict[str, Any]:
    """Return the record's `fields`. Raises PostbackError (bad-field, unknown-click, ambiguous-click) or FieldError,
    both of which name the field.
    """
    click = find_click(parameters, keys, rules.names["click_id"], rules.own_click_names)
    parser = _FieldParser(parameters, rules, click)
    if click.is_missing:
        raise _bad("click_id", "click_id is missing; send the click id that the tracking link passed to you")
    status_word = parser.text("status")
    status = _status(status_word, rules)
    event = parser.event(status_word)
    order_id = _order_id(parser.text("order_id"))
    payout_minor, currency = _payout(parser, rules)
    if click.click_id is None:
        raise PostbackError(click.refusal, code=PostbackReason.UNKNOWN_CLICK, field="click_id")
    return {
        "click_id": click.click_id,
        "event": event,
        "order_id": order_id,
        "status": status,
        "payout_minor": payout_minor,
        "currency": currency,
        "corrections": [correction.as_record() for correction in parser.corrections],
    }


def _payout(parser: _FieldParser, rules: AccountRules) -> tuple[int | None, str | None]:
    """Return the amount in minor units and its currency, or None for both."""
    code = parser.text("currency")
    stated = parse_currency(code) if code else None
    text = parser.text("payout")
    if text is None:
        return None, None
    amount = parse_written_amount(
        text, stated or rules.currency, is_stated=stated is not None, decimal_separator=rules.decimal_separator
    )
    if not amount.is_plain and rules.decimal_separator is None:
        written = format_amount(amount.amount_minor, amount.currency)
        parser.corrections.append(Correction("payout", text, written, CorrectionRule.AMOUNT_READ))
    return amount.amount_minor, amount.currency


class _FieldParser:
    """Parses the fields of one postback by the account's rules, and collects the corrections."""

    def __init__(self, parameters: Parameters, rules: AccountRules, click: FoundClick) -> None:
        self._parameters = parameters
        self._rules = rules
        self._spent = click.found_in
        self.corrections = list(click.corrections)

    def text(self, field_name: str) -> str | None:
        """Return the first value of a field that has a meaning, None if there is none. Junk is noted as a
        correction.
        """
        for name in self._rules.names[field_name]:
            value = self._parameters.get(name, "")
            if not value.strip() or name in self._spent:
                continue
            if name in self._parameters.repeated:
                raise _bad(field_name, f"{name} is sent twice with different values; send it once")
            if not is_junk(value):
                return value if isinstance(value, JsonNumber) else value.strip()
            if field_name == "status":
                # Without a status the conversion would be approved, so junk must not be left out here.
                raise _bad(
                    field_name, f"status is {value[:40]!r}, which your system should have filled in; {_STATUSES}"
                )
            self.corrections.append(Correction(field_name, value, None, CorrectionRule.JUNK_REMOVED))
        return None

    def event(self, status_word: str | None) -> str:
        """Return the event type. It comes from the event, else a flag, else the status word, else the account."""
        rules = self._rules
        word = self.text("event")
        if word is not None:
            lowered = word.lower()
            event = rules.event_words.get(lowered) or EVENT_WORDS.get(lowered) or lowered
            if event not in rules.events:
                raise _bad("event", f"event {word[:40]!r} is not known; {self._events()}")
            return event
        said = (status_word or "").lower()
        found = self._flagged() or rules.event_words.get(said) or EVENT_OF_STATUS_WORD.get(said) or rules.default_event
        if found is None:
            raise _bad("event", f"event is missing; {self._events()}")
        if found not in rules.events:
            raise _bad("event", f"event {found!r} is not in use; {self._events()}")
        return found

    def _flagged(self) -> str | None:
        """Return the event whose flag is set, or raise PostbackError if several are."""
        named = {name for names in self._rules.names.values() for name in names}
        flagged = []
        for name, event in EVENT_FLAGS.items():
            value = self._parameters.get(name, "").strip()
            if name in named or value.lower() in _NO:
                continue
            if is_junk(value):
                self.corrections.append(Correction("event", f"{name}={value}", None, CorrectionRule.JUNK_REMOVED))
            elif value.lower() in _YES:
                flagged.append((name, event.value))
            else:
                raise _bad(
                    "event", f"{name} is {value[:40]!r}; send {name}=1 for one {event}, and one postback for each"
                )
        if len(flagged) > 1:
            names = " and ".join(name for name, _ in flagged)
            raise _bad("event", f"{names} are set at once; send one postback for each event")
        return flagged[0][1] if flagged else None

    def _events(self) -> str:
        return f"send one of {', '.join(sorted(self._rules.events))}"


_STATUSES = f"send one of {', '.join(ConversionStatus)}, or leave it out"


def _status(word: str | None, rules: AccountRules) -> str | None:
    if word is None:
        return None
    status = rules.status_words.get(word.lower()) or STATUS_WORDS.get(word.lower())
    if status is None:
        raise _bad("status", f"status {word[:40]!r} is not known; {_STATUSES}")
    return str(status)


def _order_id(text: str | None) -> str | None:
    if text is not None and len(text) > ORDER_ID_CHARACTERS_MAX:
        raise _bad("order_id", f"order_id is longer than {ORDER_ID_CHARACTERS_MAX} characters")
    if text is not None and not text.isprintable():
        raise _bad("order_id", "order_id contains control characters")
    return None if text is None else str(text)


def _bad(field: str, message: str) -> PostbackError:
    return PostbackError(message, code=PostbackReason.BAD_FIELD, field=field)
