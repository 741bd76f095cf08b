"""Links with rules at one edge: where clicks go and what their records say, whatever is missing, broken or hostile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from config.configuration import MirrorWriter, link_key, mirror_meta, profile_key
from edge.clicks import Router
from edge.routing import Rotations
from edge_client import Edge, link, profile, running_edge, settings_of
from hostile_values import HOSTILE_VALUES
from tracking.routing import compile_plan, compile_rotation

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Mobile/15E148 Safari/604.1"
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
DEFAULT = "https://m.example/default?c={click_id}"


def destination(number: int, **fields: Any) -> dict[str, Any]:
    way = {} if "rotation_id" in fields else {"url": f"https://m.example/{number}"}
    return {"destination_id": number, "weight": 1, **way, **fields}


def rule(number: int, *conditions: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"rule_id": number, "conditions": list(conditions), "destinations": [destination(10 * number)], **fields}


def routed(link_id: int, document: dict[str, Any], **fields: Any) -> bytes:
    return link(link_id, DEFAULT, plan=compile_plan(document, 4, "DP"), **fields)


EVERY_FIELD = [
    {"field": name, "values": ["x"], "match": "is"}
    for name in (
        *("country", "region", "city", "isp", "connection", "device", "os", "browser", "language", "referrer"),
        *("source", "class", "sub1", "sub10"),
    )
]
EVERY_FIELD += [
    {"field": "asn", "values": [64_496]},
    {"field": "parameter", "name": "utm_source", "match": "contains", "values": ["\ufffd", "%"]},
    {"field": "time", "hours": [[0, 24]], "negate": True},
    {"field": "visitor", "values": []},
    {"field": "bot"},
]
ONE_OF_EACH = {"rules": [rule(number, condition) for number, condition in enumerate(EVERY_FIELD, 1)]}
KINDS = {
    "rules": [
        rule(1, {"field": "bot"}),
        rule(2, {"field": "class", "values": ["head", "prefetch"]}),
        rule(3, {"field": "device", "values": ["phone"]}, {"field": "language", "values": ["de"]}),
        rule(4, {"field": "referrer", "values": ["social.example"]}),
        rule(5, {"field": "parameter", "name": "utm_source", "match": "begins", "values": ["spring"]}),
        rule(6, {"field": "sub2", "match": "is", "values": ["second"]}),
    ]
}
ROTATING = {"rules": [rule(1, destinations=[destination(1, rotation_id=3)])]}
HALVES = {"rules": [rule(1, destinations=[destination(11), destination(12)], assignment="sticky")]}
SERVED = {
    profile_key("t.example"): profile(1, fallback_url="https://fallback.example/"),
    profile_key("off.example"): profile(2, active=False),
    link_key(1, "kinds"): routed(1, KINDS, sub_defaults=[None, "second", *[None] * 8]),
    link_key(2, "kinds"): routed(2, KINDS),
    link_key(1, "each"): routed(3, ONE_OF_EACH),
    link_key(1, "rotating"): routed(4, ROTATING),
    link_key(1, "halves"): routed(5, HALVES),
    link_key(1, "seen"): routed(6, {"rules": [rule(1, {"field": "visitor", "values": ["returning"]})]}),
    link_key(1, "earlier"): routed(
        11,
        {
            "rules": [
                rule(1, {"field": "parameter", "name": "utm_source", "values": ["x"]}),
                rule(2, {"field": "visitor", "values": ["returning"]}),
            ]
        },
    ),
    link_key(1, "full"): routed(7, {"rules": [rule(1)], "caps": [{"cap_id": 99}]}),
    link_key(1, "dyn"): routed(8, {"rules": [rule(1, destinations=[destination(1, url="https://m.example/{dyn}")])]}),
    link_key(1, "broken"): link(9, DEFAULT, plan=["nonsense"]),
    link_key(1, "newer"): link(
        10, DEFAULT, plan=[4, [[1, True, [["shoe-size", False, [9]]], [], True, None]], {}, [], None, "DP"]
    ),
    "r:3": orjson.dumps(compile_rotation([destination(31)], "sticky", 1)),
}


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Edge]:
    with running_edge(settings_of(tmp_path), SERVED.items()) as running:
        yield running


@pytest.mark.parametrize(
    ("query", "headers", "number"),
    [
        ("", {}, 60),
        ("sub2=other", {}, None),
        ("sub2=other", {"User_Agent": GOOGLEBOT}, 10),
        ("sub2=other", {"Sec_Purpose": "prefetch;prerender"}, 20),
        ("sub2=other", {"User_Agent": PHONE, "Accept_Language": "de-AT,en;q=0.5"}, 30),
        ("sub2=other", {"User_Agent": PHONE, "Accept_Language": "en,de;q=0.5"}, None),
        ("sub2=other", {"Referer": "https://l.social.example/x?y"}, 40),
        ("sub2=other&utm_source=spring%20sale", {}, 50),
        ("t2=second", {}, 60),
    ],
)
def test_each_kind_of_condition_decides_by_what_a_request_says(
    edge: Edge, query: str, headers: dict[str, str], number: int | None
) -> None:
    answer = edge.get(f"/click/kinds?{query}", **headers)
    location = answer.headers["location"]
    click = edge.clicks[0]
    assert click.location == location
    assert click.routing is not None
    revision, _, rule_id, destination_id, how, _ = click.routing
    if number is None:
        assert location.startswith("https://m.example/default?c=")
        assert (revision, rule_id, destination_id, how) == (4, None, None, None)
    else:
        assert location == f"https://m.example/{number}"
        assert (revision, rule_id, destination_id, how) == (4, number // 10, number, None)


def test_rules_of_a_link_whose_profile_is_off_choose_and_nothing_is_recorded(edge: Edge) -> None:
    answer = edge.get("/click/kinds", host="off.example", User_Agent=GOOGLEBOT)
    assert (answer.status_code, answer.headers["location"]) == (302, "https://m.example/10")
    assert edge.clicks == []


def test_a_record_says_which_conditions_failed_and_what_was_looked_up_for_them(edge: Edge) -> None:
    edge.get("/click/each?sub1=a", User_Agent=PHONE)
    routing = edge.clicks[0].routing
    assert routing is not None
    assert routing[1] == [0] * len(EVERY_FIELD)
    # Device and language are in the record: its user agent and Accept-Language.
    places = {"country", "region", "city", "isp", "asn", "connection"}
    assert set(routing[5]) == places | {"class", "bot", "returning"}
    assert routing[5]["class"] == "valid"


@pytest.fixture(scope="module")
def busy_edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    with running_edge(settings_of(tmp_path_factory.mktemp("busy")), SERVED.items()) as running:
        yield running


@pytest.mark.parametrize("name", HOSTILE_VALUES)
def test_hostile_parameters_and_headers_never_fail_a_link_with_rules(busy_edge: Edge, name: str) -> None:
    value = HOSTILE_VALUES[name].decode("latin-1")
    for slug in ("each", "halves"):
        answer = busy_edge.get(
            f"/click/{slug}?utm_source={value}&sub1={value}&t10={value}",
            User_Agent=value,
            Referer=f"https://{value}",
            Accept_Language=value,
        )
        assert answer.status_code == 302
        assert answer.headers["location"].startswith("https://m.example/")


@pytest.mark.parametrize("slug", ["broken", "newer"])
def test_rules_that_cannot_be_read_lead_to_the_links_own_destination_and_the_record_says_so(
    edge: Edge, slug: str
) -> None:
    assert edge.get(f"/click/{slug}").headers["location"].startswith("https://m.example/default?c=")
    routing = edge.clicks[0].routing
    assert routing is not None
    assert routing[4] == "broken"
    counted = [line for line in edge.get("/metrics").text.splitlines() if line.startswith("waypost_edge_routing")]
    assert 'waypost_edge_routing_total{how="broken"} 1.0' in counted
    assert 'waypost_edge_routing_total{how="fallback"} 0.0' in counted


def test_an_exhausted_link_without_overflow_goes_to_the_profiles_fallback(edge: Edge) -> None:
    assert edge.get("/click/full").headers["location"] == "https://fallback.example/"
    routing = edge.clicks[0].routing
    assert routing is not None
    assert routing[4] == "fallback"


def test_a_visitor_stays_with_his_destination_and_visitors_are_shared_out(edge: Edge) -> None:
    counts: Counter[str] = Counter()
    for number in range(200):
        locations = {edge.get("/click/halves", User_Agent=f"Agent {number}").headers["location"] for _ in range(2)}
        assert len(locations) == 1
        counts.update(locations)
    assert set(counts) == {"https://m.example/11", "https://m.example/12"}
    assert min(counts.values()) > 60


def test_a_visitor_is_new_once_and_returning_then_but_a_head_request_is_no_visit(edge: Edge) -> None:
    def went(method: str = "GET") -> str:
        return edge.get("/click/seen", method=method, User_Agent="A").headers["location"].partition("?")[0]

    assert [went("HEAD"), went("HEAD"), went()] == ["https://m.example/default"] * 3
    assert [went(), went("HEAD"), went()] == ["https://m.example/10"] * 3


def test_a_visit_is_remembered_also_where_an_earlier_rule_decided(edge: Edge) -> None:
    assert edge.get("/click/earlier?utm_source=x").headers["location"] == "https://m.example/10"
    assert edge.get("/click/earlier").headers["location"] == "https://m.example/20"


def test_the_dynamic_variable_has_the_prefix_of_the_links_source(edge: Edge) -> None:
    assert edge.get("/click/dyn").headers["location"].startswith("https://m.example/DP")


def test_a_record_names_the_rotation_that_chose_and_its_revision(edge: Edge) -> None:
    assert edge.get("/click/rotating").headers["location"] == "https://m.example/31"
    assert edge.clicks[0].routing == [4, [], 1, 31, None, {"rotation": [3, 1]}]


def test_a_rotation_is_read_again_for_the_next_click_after_any_change(tmp_path: Path) -> None:
    mirror = MirrorWriter(tmp_path, 1 << 24)
    mirror.replace(mirror_meta("e", 1, "0-0"), SERVED.items())
    rotations = Rotations(mirror)
    router = Router(mirror, rotations)

    def revision() -> int | None:
        router.decide("t.example", "rotating")
        rotation = rotations.get(3)
        return rotation and rotation.revision

    assert [revision() for _ in range(3)] == [1, 1, 1]
    mirror.apply(mirror_meta("e", 2, "0-0"), {"r:3": orjson.dumps(compile_rotation([destination(32)], "random", 2))})
    assert revision() == 2
    mirror.apply(mirror_meta("e", 3, "0-0"), {"r:3": b'["damaged"]'})
    assert revision() is None
    mirror.apply(mirror_meta("e", 4, "0-0"), {"r:3": None})
    assert revision() is None
    mirror.close()


def test_a_link_without_rules_is_recorded_without_routing(tmp_path: Path) -> None:
    served = [(profile_key("t.example"), profile(1)), (link_key(1, "plain"), link(1, DEFAULT))]
    with running_edge(settings_of(tmp_path), served) as edge:
        edge.get("/click/plain")
        assert edge.clicks[0].routing is None
    assert b"null" not in served[1][1]
