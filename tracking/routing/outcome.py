"""Why a click went where it went, as its record has it: the array in `routing` of tracking.spool.records.Click."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple

# What stands in `passed_over` for a rule that no condition ruled out.
NO_CAPACITY = -1
INACTIVE = -2


class How(StrEnum):
    """How a destination was found that no rule chose in the usual way."""

    OVERFLOW = "overflow"
    FALLBACK = "fallback"
    COUNTRY = "country"
    BROKEN = "broken"


class RoutingOutcome(NamedTuple):
    """The outcome of a link's rules for one click.

    `passed_over` has one number for each rule before the one that decided: the condition that did not hold, or
    NO_CAPACITY or INACTIVE. `rule_id` and `destination_id` are None where no rule and none of its destinations decided.
    `facts` are those that were looked up and are not in the record.
    """

    revision: int
    passed_over: list[int]
    rule_id: int | None
    destination_id: int | None
    how: str | None
    facts: dict[str, Any]
