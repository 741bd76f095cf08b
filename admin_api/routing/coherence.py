"""What must fit together within a rule document, beyond the types of its fields. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tracking.runtime import FieldError

LAST_HOUR = 23


def rule_faults(document: Mapping[str, Any], within: str) -> Iterator[FieldError]:
    """Yield what does not fit together in a link's rules. `within` is put before the fields."""
    for number, rule in enumerate(document["rules"]):
        field = f"{within}rules[{number}]"
        for index, condition in enumerate(rule["conditions"]):
            yield from _condition_faults(condition, f"{field}.conditions[{index}]")
        for index, destination in enumerate(rule["destinations"]):
            yield from _destination_faults(destination, f"{field}.destinations[{index}]")


def _condition_faults(condition: Mapping[str, Any], field: str) -> Iterator[FieldError]:
    if "match" in condition:
        values, present = condition["values"], condition["match"] == "present"
        if present and values:
            yield FieldError(f"{field}.values", f"{field}.values must be empty, since `present` compares nothing")
        elif not present and not values:
            yield FieldError(
                f"{field}.values", f"{field}.values must have at least 1 entry, or `match` must be present"
            )
    if condition["field"] == "time":
        yield from _time_faults(condition["weekdays"], condition["hours"], field)


def _time_faults(weekdays: Sequence[int], hours: Sequence[Sequence[int]], field: str) -> Iterator[FieldError]:
    if not weekdays and not hours:
        yield FieldError(f"{field}.weekdays", f"{field} needs weekdays, hours or both")
    for index, (first, end) in enumerate(hours):
        if first > LAST_HOUR or first == end:
            said = "must be a span such as [9, 17], or [22, 6] for one over midnight"
            yield FieldError(f"{field}.hours[{index}]", f"{field}.hours[{index}] {said}")


def _destination_faults(destination: Mapping[str, Any], field: str) -> Iterator[FieldError]:
    if ("url" in destination) == ("rotation_id" in destination):
        yield FieldError(f"{field}.url", f"{field} needs either a url or a rotation_id")
