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

from tracking.clicks import SUB_NAMES
from tracking.routing.facts import Facts

Test = Callable[[Facts], bool]
_QUARTER_S = 900

TEXT_FIELDS = ("country", "region", "city", "isp", "connection", "device", "os", "browser", "language", "source")


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
    if field in SUB_NAMES:
        number = SUB_NAMES.index(field) + 1
        return _text_test(more[0], values, lambda facts: facts.sub(number))
    if field not in TEXT_FIELDS:
        raise ValueError(f"no condition on {field!r} is known")
    read, wanted = attrgetter(field), frozenset(values)
    return lambda facts: read(facts).casefold() in wanted


def _text_test(way: str, values: Sequence[str], read: Callable[[Facts], str | None]) -> Test:
    # PERF: a set, or a method that takes several texts, costs a third of asking for each value.
    wanted, texts = frozenset(values), tuple(values)
    match way:
        case "present":
            return lambda facts: bool(read(facts))
        case "is":
            return lambda facts: read(facts) in wanted
        case "begins":
            return lambda facts: (read(facts) or "").startswith(texts)
        case "ends":
            return lambda facts: (read(facts) or "").endswith(texts)
        case "contains":
            return lambda facts: any(text in (read(facts) or "") for text in texts)
    raise ValueError(f"no way to compare: {way!r}")


def _time_test(weekdays: Sequence[int], hours: Sequence[Sequence[int]], time_zone: str) -> Test:
    ZoneInfo(time_zone)  # Whether this host has it is found out now, and not with a click.
    days = frozenset(weekdays) or frozenset(range(1, 8))
    open_hours = frozenset(hour for first, end in hours for hour in hours_of(first, end)) or frozenset(range(24))
    wanted = frozenset((day, hour) for day in days for hour in open_hours)
    return lambda facts: _weekday_and_hour(time_zone, facts.at_s // _QUARTER_S) in wanted


# PERF: a conversion takes 2 microseconds. Time zones differ from UTC by whole quarters of an hour, and change at one,
# so one conversion serves all clicks of a quarter.
@lru_cache(256)
def _weekday_and_hour(time_zone: str, quarter: int) -> tuple[int, int]:
    local = datetime.fromtimestamp(quarter * _QUARTER_S, ZoneInfo(time_zone))
    return local.isoweekday(), local.hour


def hours_of(first: int, end: int) -> list[int]:
    """Return the hours of `[first, end]`. If the end comes first, they go over midnight; equal ones are all day."""
    if first < end:
        return list(range(first, end))
    return [hour % 24 for hour in range(first, end + 24)]
