"""A dry run sends every click where the edge would send it, with the same code for conditions and choices."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from admin_api.dry_run.facts import StoredFacts, seed_of
from admin_api.dry_run.ways import Router, columns_for
from tracking.routing import Visitor, compile_plan, compile_rotation, decode_plan, decode_rotation, run_plan

OWN = "https://own.example/"
CONDITIONS: list[dict[str, Any]] = [
    {"field": "country", "values": ["DE", "AT"]},
    {"field": "country", "values": ["FR"], "negate": True},
    {"field": "device", "values": ["phone", "tablet"]},
    {"field": "os", "values": ["ios"]},
    {"field": "asn", "values": [3320, 15169]},
    {"field": "referrer", "values": ["example.org"]},
    {"field": "parameter", "name": "utm", "match": "begins", "values": ["a", "b"]},
    {"field": "parameter", "name": "gclid", "match": "present", "values": [], "negate": True},
    {"field": "sub1", "match": "is", "values": ["one"]},
    {"field": "time", "weekdays": [1, 2, 3], "hours": [[22, 6]], "time_zone": "Europe/Berlin"},
    {"field": "visitor", "values": ["returning"]},
]
ROW = {
    "device": ["phone", "desktop", None],
    "os": ["iOS", "Android", None],
    "asn": [3320, 64500, None],
    "referrer_host": ["example.org", "www.example.org", "notexample.org", None],
    "parameters": [{}, {"utm": "autumn"}, {"utm": "x", "gclid": "1"}],
    "sub1": ["one", "two", None],
    "is_unique": [True, False],
    "routing": [None, [1, [], None, None, None, {"returning": True}], [1, [], None, None, None, {}]],
    "address": ["192.0.2.7", "192.0.2.8", "2001:db8::1"],
    "user_agent": ["a", "b", "c", "d"],
}


class Click(StoredFacts):
    """A stored click as the engine takes it: with its seed, and as a click that counts."""

    seed = 0
    is_counted = True


class Unlimited:
    """Capacity that never ends, as in a dry run."""

    def take(self, cap_ids: Sequence[int], /) -> bool:
        return True

    def has_left(self, cap_ids: Sequence[int], /) -> bool:
        return True


def documents(random: Random) -> tuple[dict[str, Any], dict[int, dict[str, Any]]]:
    """Return a rule document, and the rotations that it uses."""
    numbers = iter(range(1, 1000))

    def destination(*, shared: bool) -> dict[str, Any]:
        made: dict[str, Any] = {"destination_id": next(numbers), "weight": random.randrange(4)}
        made["active"] = random.random() < 0.8
        if shared and random.random() < 0.3:
            return made | {"rotation_id": random.choice([1, 2])}
        return made | {"url": f"https://d{made['destination_id']}.example/"}

    rotations = {
        number: {
            "destinations": [destination(shared=False) for _ in range(random.randrange(1, 4))],
            "assignment": "sticky",
        }
        for number in (1, 2)
    }
    rules = [
        {
            "rule_id": next(numbers),
            "active": random.random() < 0.8,
            "conditions": random.sample(CONDITIONS, random.randrange(3)),
            "destinations": [destination(shared=True) for _ in range(random.randrange(1, 4))],
            "assignment": "sticky",
        }
        | ({"overflow_url": f"https://o{number}.example/"} if random.random() < 0.3 else {})
        for number in range(random.randrange(5))
    ]
    return {"rules": rules, "countries": {"DE": "https://de.example/", "IT": "https://it.example/"}}, rotations


@pytest.mark.parametrize("seed", range(40))
def test_a_click_goes_where_the_edge_would_send_it(seed: int) -> None:
    random = Random(seed)
    document, rotations = documents(random)
    router = Router(document, OWN, rotations)
    plan = decode_plan(compile_plan(document, 1, "DP"), [None] * 10)
    run = {
        number: decode_rotation(compile_rotation(each["destinations"], "sticky", 1))
        for number, each in rotations.items()
    }
    columns = columns_for({condition["field"] for condition in CONDITIONS})
    for _ in range(25):
        row = {column: random.choice(ROW[column]) for column in columns}
        at = datetime(2026, 11, 2, tzinfo=UTC) + timedelta(hours=random.randrange(24 * 7))
        facts = Click(row, random.choice(["DE", "FR", "IT", None]), at, "news")
        choice = seed_of(row, 5)
        assert choice is not None
        facts.seed = choice
        (way,) = router.ways(facts, choice)
        chosen = run_plan(plan, Visitor(facts, Unlimited(), random.random), run.get)
        assert way.rule.number == chosen.rule_id
        if chosen.destination is not None:
            assert way.destination.number == chosen.destination.number
        else:
            reached = OWN if chosen.expansion is None else "".join(chosen.expansion.pieces)
            assert way.destination.url == reached
