"""What must fit together within rules, beyond the types of their fields."""

from __future__ import annotations

from typing import Any

import pytest

from admin_api.routing import RoutingFields
from admin_api.routing.coherence import rule_faults
from admin_api.routing.document import complete

GOOD = {"url": "https://a.example/"}


def faults(*conditions: dict[str, Any], destination: dict[str, Any] = GOOD) -> list[str]:
    rules = [{"conditions": list(conditions), "destinations": [GOOD, destination]}]
    return [fault.field or "" for fault in rule_faults(complete({"rules": rules}, RoutingFields), "routing.")]


@pytest.mark.parametrize(
    "condition",
    [
        {"field": "parameter", "name": "x", "match": "present"},
        {"field": "sub1", "values": ["a"]},
        {"field": "time", "weekdays": [1]},
        {"field": "time", "hours": [[0, 24]]},
        {"field": "time", "hours": [[22, 6], [9, 17]]},
    ],
)
def test_conditions_that_fit_together_are_taken(condition: dict[str, Any]) -> None:
    assert faults(condition) == []


@pytest.mark.parametrize(
    ("condition", "field"),
    [
        ({"field": "parameter", "name": "x", "match": "present", "values": ["a"]}, "values"),
        ({"field": "parameter", "name": "x"}, "values"),
        ({"field": "sub3", "match": "ends"}, "values"),
        ({"field": "time"}, "weekdays"),
        ({"field": "time", "hours": [[9, 17], [9, 9]]}, "hours[1]"),
        ({"field": "time", "hours": [[24, 6]]}, "hours[0]"),
    ],
)
def test_a_condition_that_could_never_or_always_hold_is_refused(condition: dict[str, Any], field: str) -> None:
    assert faults({"field": "bot"}, condition) == [f"routing.rules[0].conditions[1].{field}"]


@pytest.mark.parametrize("destination", [{"name": "nowhere"}, GOOD | {"rotation_id": 3}])
def test_a_destination_is_a_url_or_a_rotation(destination: dict[str, Any]) -> None:
    assert faults(destination=destination) == ["routing.rules[0].destinations[1].url"]
    assert faults(destination={"rotation_id": 3}) == []
