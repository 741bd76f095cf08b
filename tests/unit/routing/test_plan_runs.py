"""Where a plan sends a click: the order of rules, caps and overflow, rotations, the country table, and the outcome."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from known_facts import KnownFacts
from tracking.routing import (
    Chosen,
    Plan,
    Rotation,
    Visitor,
    compile_plan,
    compile_rotation,
    decode_plan,
    decode_rotation,
    expansion_of,
    outcome_of,
    run_plan,
)
from tracking.runtime import FieldError

GOLDEN = Path(__file__).resolve().parents[2] / "golden"


class Left:
    """Capacity by cap id; a cap that is not named has no limit."""

    def __init__(self, left: dict[int, int] | None = None) -> None:
        self.left = left or {}
        self.taken: list[tuple[int, ...]] = []

    def has_left(self, cap_ids: Sequence[int], /) -> bool:
        return all(self.left.get(cap_id, 1) > 0 for cap_id in cap_ids)

    def take(self, cap_ids: Sequence[int], /) -> bool:
        if not self.has_left(cap_ids):
            return False
        self.taken.append(tuple(cap_ids))
        for cap_id in set(cap_ids) & set(self.left):
            self.left[cap_id] -= 1
        return True


class Raced(Left):
    """Capacity that another click takes between the look and the taking."""

    def take(self, cap_ids: Sequence[int], /) -> bool:
        for cap_id in cap_ids:
            if cap_id in self.left:
                self.left[cap_id] = 0
        return super().take(cap_ids)


def destination(number: int, weight: int = 1, caps: Sequence[int] = (), **more: Any) -> dict[str, Any]:
    way = {} if "rotation_id" in more else {"url": f"https://m.example/{number}"}
    limits = [{"cap_id": cap_id, "count": "clicks", "per": "day", "limit": 1} for cap_id in caps]
    return {"destination_id": number, "weight": weight, "caps": limits, **way, **more}


def rule(number: int, *destinations: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"rule_id": number, "conditions": [], "destinations": list(destinations), **more}


GERMAN = {"field": "country", "values": ["DE"]}
PHONE = {"field": "device", "values": ["phone"]}
ROTATION = decode_rotation(compile_rotation([destination(90), destination(91, caps=[5])], "random", 4))


def plan_of(document: dict[str, Any]) -> Plan:
    """Return a plan after it went through its published form as bytes."""
    return decode_plan(orjson.loads(orjson.dumps(compile_plan(document, 3, "DP"))), [None] * 10)


def run(
    document: dict[str, Any],
    facts: KnownFacts | None = None,
    left: Left | None = None,
    *,
    rotation: Rotation | None = ROTATION,
) -> Chosen:
    visitor = Visitor(facts or KnownFacts(), left or Left(), random.Random(1).random)
    return run_plan(plan_of(document), visitor, {3: rotation}.get)


def url_of(chosen: Chosen) -> str | None:
    return None if chosen.expansion is None else chosen.expansion.pieces[0]


TWO_RULES = {
    "rules": [
        rule(1, destination(10), conditions=[GERMAN, PHONE]),
        rule(2, destination(20), conditions=[GERMAN]),
    ],
    "countries": {"FR": "https://m.example/fr"},
}


@pytest.mark.parametrize(
    ("facts", "url", "outcome"),
    [
        (KnownFacts(country="DE", device="phone"), "https://m.example/10", [3, [], 1, 10, None, {}]),
        (KnownFacts(country="DE", device="desktop"), "https://m.example/20", [3, [1], 2, 20, None, {}]),
        (KnownFacts(country="FR"), "https://m.example/fr", [3, [0, 0], None, None, "country", {}]),
        (KnownFacts(country="ES"), None, [3, [0, 0], None, None, None, {}]),
        (KnownFacts(), None, [3, [0, 0], None, None, None, {}]),
    ],
)
def test_the_first_rule_that_holds_decides_then_the_country_table_then_the_links_own_destination(
    facts: KnownFacts, url: str | None, outcome: list[Any]
) -> None:
    chosen = run(TWO_RULES, facts)
    assert (url_of(chosen), outcome_of(plan_of(TWO_RULES), chosen, {})) == (url, outcome)


def test_a_rule_that_is_switched_off_is_passed_over_as_inactive() -> None:
    chosen = run({"rules": [rule(1, destination(10), active=False), rule(2, destination(20))]})
    assert (url_of(chosen), chosen.passed_over) == ("https://m.example/20", [-2])


def test_destinations_that_are_switched_off_or_weigh_nothing_are_never_chosen() -> None:
    destinations = [destination(10, active=False), destination(11, weight=0), destination(12)]
    assert url_of(run({"rules": [rule(1, *destinations)]})) == "https://m.example/12"
    chosen = run({"rules": [rule(1, *destinations[:2]), rule(2, destination(20))]})
    assert (url_of(chosen), chosen.passed_over) == ("https://m.example/20", [-1])


def test_an_exhausted_destination_leaves_the_choice_and_with_the_last_one_the_next_rule_is_looked_at() -> None:
    document = {"rules": [rule(1, destination(10, caps=[1]), destination(11, caps=[2])), rule(2, destination(20))]}
    left = Left({1: 1, 2: 2})
    urls = Counter(url_of(run(document, left=left)) for _ in range(5))
    assert urls == {"https://m.example/10": 1, "https://m.example/11": 2, "https://m.example/20": 2}
    assert run(document, left=left).passed_over == [-1]


def test_a_rule_whose_destinations_are_all_exhausted_uses_its_overflow() -> None:
    document = {"rules": [rule(1, destination(10, caps=[1]), overflow_url="https://m.example/full")]}
    chosen = run(document, left=Left({1: 0}))
    assert url_of(chosen) == "https://m.example/full"
    assert outcome_of(plan_of(document), chosen, {}) == [3, [], 1, None, "overflow", {}]


@pytest.mark.parametrize(
    ("overflow", "how"), [({"overflow_url": "https://m.example/later"}, "overflow"), ({}, "fallback")]
)
def test_an_exhausted_link_uses_its_overflow_or_else_the_fallback(overflow: dict[str, str], how: str) -> None:
    document = {"rules": [rule(1, destination(10))], "caps": [{"cap_id": 7}], **overflow}
    chosen = run(document, left=Left({7: 0}))
    assert (url_of(chosen), chosen.how, chosen.rule_id) == (overflow.get("overflow_url"), how, None)


def test_the_caps_of_link_and_destination_are_taken_together_once_a_click() -> None:
    document = {"rules": [rule(1, destination(10, caps=[1, 2]))], "caps": [{"cap_id": 7}]}
    left = Left({1: 5, 2: 5, 7: 5})
    run(document, left=left)
    assert [set(each) for each in left.taken] == [{1, 2, 7}]


def test_a_link_with_caps_alone_counts_each_click() -> None:
    left = Left({7: 1})
    document = {"caps": [{"cap_id": 7}], "overflow_url": "https://m.example/later"}
    assert [url_of(run(document, left=left)) for _ in range(2)] == [None, "https://m.example/later"]


def test_a_request_that_is_no_click_is_routed_alike_and_takes_nothing() -> None:
    document = {"rules": [rule(1, destination(10, caps=[1]), overflow_url="https://m.example/full")]}
    left, uncounted = Left({1: 1}), KnownFacts(is_counted=False)
    assert [url_of(run(document, uncounted, left)) for _ in range(2)] == ["https://m.example/10"] * 2
    assert left.taken == []
    left.left[1] = 0
    assert url_of(run(document, uncounted, left)) == "https://m.example/full"


def test_a_click_that_another_one_outran_goes_on_to_what_is_left() -> None:
    document = {"rules": [rule(1, destination(10, caps=[1]), destination(11))], "caps": []}
    assert url_of(run(document, left=Raced({1: 1}))) == "https://m.example/11"
    document = {"rules": [rule(1, destination(10))], "caps": [{"cap_id": 7}], "overflow_url": "https://m.example/l"}
    chosen = run(document, left=Raced({7: 1}))
    assert (url_of(chosen), chosen.how) == ("https://m.example/l", "overflow")


def test_a_rotation_chooses_with_its_own_weights_and_caps_and_tells_its_revision() -> None:
    document = {"rules": [rule(1, destination(10, rotation_id=3), assignment="random")]}
    chosen = run(document, left=Left({5: 0}))
    assert chosen.destination is not None
    assert (chosen.destination.number, chosen.rotation) == (90, (3, 4))
    assert outcome_of(plan_of(document), chosen, {"country": "DE"}) == [
        *[3, [], 1, 90, None],
        {"country": "DE", "rotation": [3, 4]},
    ]


def test_a_rotations_destination_takes_the_caps_of_all_that_led_to_it() -> None:
    left = Left()
    document = {"rules": [rule(1, destination(10, caps=[1], rotation_id=3))], "caps": [{"cap_id": 7}]}
    rotation = decode_rotation(compile_rotation([destination(91, caps=[5])], "sticky", 4))
    run(document, left=left, rotation=rotation)
    assert [set(each) for each in left.taken] == [{1, 5, 7}]


@pytest.mark.parametrize("rotation", [None, decode_rotation([1, [], True])])
def test_a_rotation_that_is_missing_or_empty_leaves_the_choice(rotation: Rotation | None) -> None:
    document = {"rules": [rule(1, destination(10, 99, rotation_id=3), destination(11)), rule(2, destination(20))]}
    assert url_of(run(document, rotation=rotation)) == "https://m.example/11"
    document["rules"][0]["destinations"].pop()
    assert url_of(run(document, rotation=rotation)) == "https://m.example/20"


def test_the_defaults_and_the_dyn_prefix_of_the_link_hold_for_a_rotations_destination() -> None:
    published = compile_rotation([destination(90, url="https://m.example/{dyn}/{sub1}")], "sticky", 1)
    inner = decode_rotation(published).destinations[0]
    expansion = expansion_of(inner, ["ours", *[None] * 9], "FB")
    assert [name for _, name in expansion.other] == ["dyn:FB"]
    assert expansion.query[0][2] == "ours"


DOCUMENT: dict[str, Any] = {
    "rules": [
        rule(
            12,
            destination(40, 70, [50], url="https://a.example/?c={click_id}&d={dyn}&s={sub1}", name="A"),
            destination(41, 30, rotation_id=3),
            destination(42, 0),
            name="German phones",
            active=True,
            assignment="sticky",
            overflow_url="https://a.example/full",
            conditions=[
                {"field": "country", "values": ["DE", "AT"], "negate": False},
                {"field": "parameter", "name": "utm_source", "match": "begins", "values": ["X"], "negate": True},
                {"field": "time", "weekdays": [1, 2], "hours": [[9, 17]], "time_zone": "Europe/Berlin"},
                {"field": "time", "weekdays": [], "hours": [[22, 6]]},
                {"field": "sub3", "match": "present", "values": []},
                *({"field": "asn", "values": [3320]}, {"field": "bot", "negate": True}),
                *({"field": "visitor", "values": ["new"]}, {"field": "referrer", "values": ["A.example"]}),
            ],
        ),
        rule(13, destination(43), active=False, assignment="random"),
    ],
    "countries": {"FR": "https://fr.example/?c={click_id}"},
    "caps": [{"cap_id": 51, "count": "conversions", "per": "total", "limit": 9}],
    "overflow_url": "https://later.example/",
    "time_zone": "Asia/Tokyo",
}


def test_the_published_plan_and_rotation_are_those_that_running_edges_read() -> None:
    plan, rotation = (GOLDEN / "plan_v1.json").read_bytes(), (GOLDEN / "rotation_v1.json").read_bytes()
    assert orjson.dumps(compile_plan(DOCUMENT, 3, "FB")) == plan
    offers = [destination(90, 2, [52], url="https://o.example/{dyn}"), destination(91)]
    assert orjson.dumps(compile_rotation(offers, "random", 8)) == rotation
    read = decode_plan(orjson.loads(plan), [None] * 10)
    assert [each.rule_id for each in read.rules] == [12, 13]
    assert decode_rotation(orjson.loads(rotation)).destinations[0].cap_ids == (52,)


def test_a_url_that_cannot_be_published_is_named_by_its_path() -> None:
    with pytest.raises(FieldError) as refused:
        compile_plan({"rules": [rule(1, destination(1), destination(2, url="ftp://x/"))]}, 1, "DP")
    assert refused.value.field == "rules[0].destinations[1].url"


_WHOLE: list[Any] = orjson.loads((GOLDEN / "plan_v1.json").read_bytes())


@pytest.mark.parametrize(
    "published",
    [
        [],
        [1],
        None,
        7,
        {},
        [*_WHOLE, 1],
        [3, [[]], {}, [], None],
        [3, [[1, True, [["x"]], [], True, None]], {}, [], None],
    ],
)
def test_a_plan_that_this_release_cannot_run_is_an_error_that_the_edge_catches(published: Any) -> None:
    with pytest.raises((ValueError, TypeError, LookupError)):
        decode_plan(published, [None] * 10)
