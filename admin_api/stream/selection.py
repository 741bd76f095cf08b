"""What a viewer is sent: what it asked for of what its rights let it see. Pure. Nothing else decides about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from admin_api.http import ForbiddenError
from admin_api.runtime import Actor
from tracking.rights import Right
from tracking.runtime import FieldError


class EventType(StrEnum):
    """What a viewer may ask for. Beside these there are `summary`, `gap` and `end`, which are about the stream."""

    CLICK = "click"
    CONVERSION = "conversion"
    ENTRY = "entry"
    ISSUE = "issue"
    LOSS_METER = "loss-meter"


Facts = Mapping[str, Any]
RIGHT_OF_TYPE = {
    EventType.CLICK: Right.TRAFFIC_READ,
    EventType.CONVERSION: Right.CONVERSIONS_READ,
    EventType.ENTRY: Right.MONEY_READ,
    EventType.ISSUE: Right.TRAFFIC_READ,
    EventType.LOSS_METER: Right.HEALTH_READ,
}
# These are about the whole installation, so that no partner sees them.
_OF_ALL = frozenset({EventType.ISSUE, EventType.LOSS_METER})
_NUMBERS = ("link", "profile", "merchant", "source")
_WORDS = ("country", "class", "event")
FILTERS = (*_NUMBERS, *_WORDS)
# A filter names a fact of an event; numbers have it under the name of the key.
_FACT = {name: f"{name}_id" for name in _NUMBERS} | {name: name for name in _WORDS}
# A word of a filter is at most this long, and there are at most so many in one.
_WORD_MAX = 64
_WORDS_MAX = 100
# What of a conversion is the advertiser's money.
_REVENUE = ("payout_minor", "currency")


@dataclass(frozen=True, slots=True)
class Selection:
    """What a viewer is sent. Viewers with equal selections share what is made for them.

    `filters` are pairs of a fact's name and the values that pass. A filter counts for events that have its fact.
    """

    types: frozenset[EventType]
    filters: tuple[tuple[str, frozenset[int | str | None]], ...] = ()
    # The only source that the viewer sees; None for everybody who is no partner.
    source_id: int | None = None
    revenue: bool = False

    def takes(self, kind: EventType, facts: Facts) -> bool:
        """Whether an event passes."""
        if kind not in self.types:
            return False
        # SECURITY: a partner sees events of its source only, and of entries only its own commission.
        if self.source_id is not None and (
            kind in _OF_ALL or facts["source_id"] != self.source_id or facts.get("party", "source") != "source"
        ):
            return False
        return all(facts[name] in allowed for name, allowed in self.filters if name in facts)

    def shown(self, kind: EventType, facts: Facts) -> Facts:
        """Return the facts of an event without what the viewer may not see."""
        if kind is EventType.CONVERSION and not self.revenue:
            return {name: value for name, value in facts.items() if name not in _REVENUE}
        return facts


def select(actor: Actor, parameters: Mapping[str, str]) -> Selection:
    """Return what an actor gets who asks with these query parameters. Raises FieldError and ForbiddenError."""
    for name in parameters:
        if name not in ("types", *FILTERS):
            raise FieldError(name[:_WORD_MAX], f"there is no such parameter; there are types, {', '.join(FILTERS)}")
    filters = tuple((_FACT[name], _values(name, parameters[name])) for name in FILTERS if name in parameters)
    return Selection(
        _types(actor, parameters.get("types")),
        filters,
        actor.source_id,
        revenue=actor.source_id is None and Right.MONEY_READ in actor.rights,
    )


def _types(actor: Actor, asked: str | None) -> frozenset[EventType]:
    allowed = frozenset(
        kind
        for kind, right in RIGHT_OF_TYPE.items()
        if right in actor.rights and not (actor.source_id is not None and kind in _OF_ALL)
    )
    if asked is None:
        if not allowed:
            raise ForbiddenError("this needs one of the rights traffic:read, conversions:read, money:read, health:read")
        return allowed
    try:
        wanted = frozenset(EventType(word) for word in asked.split(",")[:_WORDS_MAX])
    except ValueError:
        raise FieldError("types", f"types are {', '.join(EventType)}, with commas between them") from None
    refused = sorted(wanted - allowed)
    if refused:
        needed = RIGHT_OF_TYPE[refused[0]]
        raise ForbiddenError(
            f"{refused[0]} events need the right {needed}"
            if needed not in actor.rights
            else f"{refused[0]} events are not for partners"
        )
    return wanted


def _values(name: str, text: str) -> frozenset[int | str | None]:
    words = text.split(",")
    if len(words) > _WORDS_MAX or any(not 1 <= len(word) <= _WORD_MAX for word in words):
        raise FieldError(name, f"give 1 to {_WORDS_MAX} values of up to {_WORD_MAX} characters")
    if name in _WORDS:
        return frozenset(words)
    if not all(word.isascii() and word.isdigit() and len(word) <= 18 for word in words):
        raise FieldError(name, "give numbers, with commas between them")
    return frozenset(map(int, words))
