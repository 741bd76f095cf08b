"""The conditions of rules: how each is published, and what it means. Values are any-of; text is compared without regard
to case, but values of parameters and sub ids exactly.

A published condition is `[field, negate, values]` or `[field, negate, values, more]`. `more` is the way to compare and
the name for a parameter, the way for a sub id, and weekdays, hours and time zone for the time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any
from zoneinfo import ZoneInfo

from tracking.routing.facts import Facts

Test = Callable[[Facts], bool]

TEXT_FIELDS = ("country", "region", "city", "isp", "connection", "device", "os", "browser", "language", "source")
_COMPARISONS: Mapping[str, Callable[[str, str], bool]] = {
    "is": str.__eq__,
    "contains": str.__contains__,
    "begins": str.startswith,
    "ends": str.endswith,
}


def compile_condition(condition: Mapping[str, Any], time_zone: str) -> list[Any]:
    """Return a condition of a complete rule document as it is published. `time_zone` is that of times without one."""
    field, negate, values = condition["field"], bool(condition.get("negate")), condition.get("values", [])
    match field:
        case "time":
            zone = condition.get("time_zone") or time_zone
            return [field, negate, [], [condition.get("weekdays", []), condition.get("hours", []), zone]]
        case "parameter":
            return [field, negate, values, [condition.get("match", "is"), condition["name"]]]
        case "asn" | "visitor" | "bot":
            return [field, negate, values]
        case _ if field.startswith("sub"):
            return [field, negate, values, [condition.get("match", "is")]]
    return [field, negate, [value.casefold() for value in values]]


def decode_condition(published: Sequence[Any]) -> Test:
    """Return the test of a published condition. What is not known fits no value, so its negation holds."""
    test = _decode(*published)
    return (lambda facts: not test(facts)) if published[1] else test


def _decode(field: str, _negate: bool, values: Sequence[Any], more: Sequence[Any] = ()) -> Test:
    match field:
        case "asn":
            numbers = frozenset(values)
            return lambda facts: facts.asn in numbers
        case "referrer":
            hosts, endings = frozenset(values), tuple(f".{host}" for host in values)
            return lambda facts: facts.referrer in hosts or facts.referrer.endswith(endings)
        case "parameter":
            way, name = more
            return _text_test(way, values, lambda facts: facts.parameter(name))
        case "time":
            return _time_test(*more)
        case "visitor":
            return lambda facts: ("returning" if facts.returning else "new") in values
        case "bot":
            return lambda facts: facts.bot
        case "class":
            classes = frozenset(values)
            return lambda facts: facts.request_class in classes
    if field.startswith("sub"):
        number = int(field[3:])
        return _text_test(more[0], values, lambda facts: facts.sub(number))
    read, wanted = attrgetter(field), frozenset(values)
    return lambda facts: read(facts).casefold() in wanted


def _text_test(way: str, values: Sequence[str], read: Callable[[Facts], str | None]) -> Test:
    if way == "present":
        return lambda facts: bool(read(facts))
    compare = _COMPARISONS[way]

    def test(facts: Facts) -> bool:
        found = read(facts)
        return found is not None and any(compare(found, value) for value in values)

    return test


def _time_test(weekdays: Sequence[int], hours: Sequence[Sequence[int]], time_zone: str) -> Test:
    zone, days = _zone(time_zone), frozenset(weekdays)
    open_hours = frozenset(hour for first, end in hours for hour in hours_of(first, end))

    def test(facts: Facts) -> bool:
        local: datetime = facts.at.astimezone(zone)
        return (not days or local.isoweekday() in days) and (not open_hours or local.hour in open_hours)

    return test


def hours_of(first: int, end: int) -> list[int]:
    """Return the hours of `[first, end]`. If the end comes first, they go over midnight; equal ones are all day."""
    if first < end:
        return list(range(first, end))
    return [hour % 24 for hour in range(first, end + 24)]


@lru_cache(64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
