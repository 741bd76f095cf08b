"""Rules from the API to the visitor: saved, live at the edge, stored with the click, and never in a redirect's way."""

from __future__ import annotations

import signal
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import urllib3

from bare_edge import HOST, BareEdge, end_edge, start_edge
from config.configuration import (
    MirrorWriter,
    PublishedLink,
    PublishedProfile,
    encode_published,
    link_key,
    mirror_meta,
    profile_key,
)
from geo_files import country, write_database
from hostile_values import OVER_THE_WIRE
from running_stack import Stack
from tracking.clicks import compile_template
from tracking.routing import compile_plan
from waiting import wait_until
from world import World

LIVE_TIMEOUT_S = 10.0
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
PHONE += " Version/17.5 Mobile/15E148 Safari/604.1"
WEEKDAYS = [1, 2, 3, 4, 5, 6, 7]


def rule(name: str, *conditions: dict[str, Any], **fields: Any) -> dict[str, Any]:
    destinations = [{"url": f"https://m.example/{name}?c={{click_id}}"}]
    return {"name": name, "conditions": list(conditions), "destinations": destinations, **fields}


def went(stack: Stack, link: Any, query: str = "", **headers: str) -> str:
    """Return the last part of the path that a click is sent to."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    reply = stack.edge(link["path"] + (f"?{query}" if query else ""), link["host"], headers=named)
    assert reply.status == 302
    return urllib3.util.parse_url(reply.headers["location"]).path.rpartition("/")[2]


def test_rules_by_device_language_parameter_and_time_are_live_and_stored_with_the_click(
    world: World, stack: Stack
) -> None:
    another_day = datetime.now(UTC).isoweekday() % 7 + 1
    document = {
        "rules": [
            rule("switched-off", active=False),
            rule("another-day", {"field": "time", "weekdays": [another_day], "hours": [[2, 22]]}),
            rule("german-phones", {"field": "device", "values": ["phone"]}, {"field": "language", "values": ["de"]}),
            rule("phones", {"field": "device", "values": ["phone"]}),
            rule("spring", {"field": "parameter", "name": "utm_campaign", "match": "begins", "values": ["spring"]}),
            rule(
                "no-sub", {"field": "sub1", "match": "present", "negate": True}, {"field": "time", "weekdays": WEEKDAYS}
            ),
        ],
        "countries": {"DE": "https://m.example/table"},
    }
    link = world.link(routing=document)
    assert went(stack, link, User_Agent=PHONE, Accept_Language="de-AT,en;q=0.5") == "german-phones"
    assert went(stack, link, User_Agent=PHONE, Accept_Language="en") == "phones"
    assert went(stack, link, "sub1=a&utm_campaign=spring+sale") == "spring"
    assert went(stack, link) == "no-sub"
    assert went(stack, link, "sub1=a") == ""
    click_id = world.click(link, "utm_campaign=spring&sub1=x", User_Agent="curl/8")
    saved = stack.api("GET", f"/v1/links/{link['link_id']}").json
    click = stack.await_click(click_id)["click"]
    spring = saved["routing"]["rules"][4]
    assert (click["rule_id"], click["destination_id"]) == (
        spring["rule_id"],
        spring["destinations"][0]["destination_id"],
    )


def test_a_rotations_change_is_live_for_all_links_at_once(
    world: World, stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    rotation = stack.create("/v1/rotations", {"name": "offers", "destinations": [{"url": "https://m.example/0"}]})
    through = {"name": "all", "destinations": [{"rotation_id": rotation["rotation_id"]}]}
    links = [world.link(routing={"rules": [through]}) for _ in range(3)]
    wait_until(lambda: {went(stack, link) for link in links} == {"0"}, LIVE_TIMEOUT_S, "the rotation")
    took = []
    for number in range(1, 8):
        change = {"destinations": [{"url": f"https://m.example/{number}"}]}
        assert stack.api("PATCH", f"/v1/rotations/{rotation['rotation_id']}", change).status == 200
        changed_at = monotonic()
        wait_until(
            lambda number=number: {went(stack, link) for link in links} == {str(number)},  # type: ignore[misc]
            LIVE_TIMEOUT_S,
            "the rotation's change",
        )
        took.append(monotonic() - changed_at)
    with capsys.disabled():
        median_ms = sorted(took)[len(took) // 2] * 1000
        sys.stdout.write(
            f"\na rotation's change is live after {median_ms:.0f} ms (median), {max(took) * 1000:.0f} (worst)\n"
        )


@pytest.fixture
def bare(tmp_path: Path) -> Any:
    """An edge alone, with a database of addresses that says 127.0.0.1 is in Germany."""
    home = tmp_path / "home"
    home.mkdir()
    write_database(home / "country.mmdb", country("DE"), "Test-Country")
    documents = {
        "place": {
            "rules": [
                compiled(1, {"field": "country", "values": ["FR"]}),
                compiled(
                    2, {"field": "country", "values": ["DE"]}, {"field": "parameter", "name": "x", "values": ["1"]}
                ),
                compiled(3, {"field": "visitor", "values": ["returning"]}),
            ],
            "countries": {"DE": "https://m.example/table", "FR": "https://m.example/elsewhere"},
        }
    }
    served = {profile_key(HOST): encode_published(PublishedProfile(1, "Bare", True, "302", None, [], 300))}
    for number, (slug, document) in enumerate(documents.items(), 1):
        parts = list(compile_template("https://m.example/default?c={click_id}", "url"))
        plan = compile_plan(document, 1, "DP")
        served[link_key(1, slug)] = encode_published(PublishedLink(number, True, parts, None, [None] * 10, plan))
    writer = MirrorWriter(home / "mirror", 1 << 26)
    writer.replace(mirror_meta("bare", 1, "0-0"), served.items())
    writer.close()
    running = [start_edge("auto", home, GEOIP_COUNTRY_DB=str(home / "country.mmdb"), EDGE_WORKERS="2")]
    yield running
    end_edge(running[-1])


def compiled(number: int, *conditions: dict[str, Any]) -> dict[str, Any]:
    destinations = [{"destination_id": number * 10, "weight": 1, "url": f"https://m.example/{number}"}]
    return {"rule_id": number, "conditions": list(conditions), "destinations": destinations}


def ask(edge: BareEdge, query: str = "", **headers: str) -> urllib3.BaseHTTPResponse:
    named = {"Host": HOST, **{name.replace("_", "-"): value for name, value in headers.items()}}
    url = f"http://127.0.0.1:{edge.port}/click/place{query}"
    return urllib3.request("GET", url, headers=named, redirect=False, retries=False, timeout=10.0)


def test_the_place_of_a_visitor_decides_and_who_was_here_before_survives_kill_9(bare: list[BareEdge]) -> None:
    edge = bare[0]
    assert ask(edge, "?x=1").headers["location"] == "https://m.example/2"
    assert ask(edge, User_Agent="one").headers["location"] == "https://m.example/table"
    assert ask(edge, User_Agent="one").headers["location"] == "https://m.example/3"
    edge.signal(signal.SIGKILL)
    end_edge(edge)
    bare.append(start_edge("auto", edge.home, GEOIP_COUNTRY_DB=str(edge.home / "country.mmdb"), EDGE_WORKERS="2"))
    assert ask(bare[-1], User_Agent="one").headers["location"] == "https://m.example/3"
    assert ask(bare[-1], User_Agent="two").headers["location"] == "https://m.example/table"
    routing = [click.routing for click in bare[-1].clicks()]
    assert [1, [0, 1], 3, 30, None, {"country": "DE", "returning": True}] in routing
    assert [1, [0, 1, 0], None, None, "country", {"country": "DE", "returning": False}] in routing


def test_hostile_parameters_and_headers_are_routed_under_a_real_server(bare: list[BareEdge]) -> None:
    for name, value in OVER_THE_WIRE.items():
        # A server may refuse raw bytes by itself; no answer is a failure of ours.
        assert raw_status(bare[0], value.decode("latin-1")) in (302, 400), name
    assert ask(bare[0]).status == 302


def raw_status(edge: BareEdge, value: str) -> int:
    """Return the status of a request that has a value as it is, unchanged by a client's own encoding."""
    with socket.create_connection(("127.0.0.1", edge.port), timeout=10) as connection:
        request = f"GET /click/place?x={value}&sub1={value} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode("latin-1"))
        answer = connection.recv(64)
    return int(answer.split(b" ")[1]) if answer else 0
