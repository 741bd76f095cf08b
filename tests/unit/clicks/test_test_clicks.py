"""A test click is answered as a click would be, needs a token of the admin API, and leaves no trace."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import time

import pytest

from config.configuration import link_key, profile_key
from edge_client import Edge, link, profile, running_edge, settings_of
from tracking.clicks import TEST_CLICK_ID, is_test_token, mint_test_token, parse_click_id

KEY = b"a key of the tests, long enough"
NOW_S = 1_789_000_000.5


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Edge]:
    served = {
        profile_key("t.example"): profile(1, fallback_url="https://fallback.example/"),
        profile_key("page.example"): profile(2, redirect_type="js"),
        profile_key("off.example"): profile(3, active=False),
        link_key(1, "abc"): link(10, "https://m.example/?c={click_id}&s={sub1}&d={device}"),
        link_key(1, "stopped"): link(11, "https://m.example/", active=False),
        link_key(2, "abc"): link(20, "https://m.example/"),
        link_key(2, "stopped"): link(21, "https://m.example/", active=False),
        link_key(3, "abc"): link(30, "https://m.example/"),
    }
    with running_edge(settings_of(tmp_path / "home"), served.items()) as running:
        yield running


def token(edge: Edge, host: str = "t.example", slug: str = "abc", age_s: float = 0) -> str:
    return mint_test_token(edge.settings.click_id_keys[0], host, slug, time() - age_s)


def test_a_test_click_tells_where_a_visitor_would_go_and_is_not_recorded(edge: Edge) -> None:
    answer = edge.get("/test-click/abc?sub1=a%26b", X_Waypost_Test=token(edge), User_Agent="Mozilla/5.0 (iPhone)")
    assert answer.status_code == 200
    assert answer.json == {
        "status": 302,
        "location": f"https://m.example/?c={TEST_CLICK_ID}&s=a%26b&d=phone",
        "reason": None,
        "next_hop": None,
        "rule_id": None,
        "destination_id": None,
    }
    assert answer.headers["cache-control"] == "no-store, private"
    assert edge.clicks == []
    assert 'waypost_edge_answers_total{outcome="redirected"} 0.0' in edge.get("/metrics").text
    assert parse_click_id(TEST_CLICK_ID, edge.settings.click_id_keys) is None


@pytest.mark.parametrize(
    ("host", "slug", "status", "location", "reason"),
    [
        ("t.example", "stopped", 302, "https://fallback.example/", "link-inactive"),
        ("page.example", "abc", 200, "https://m.example/", None),
        ("page.example", "stopped", 404, None, "link-inactive"),
        ("off.example", "abc", 302, "https://m.example/", "no-profile"),
        ("t.example", "none", 404, None, "unknown-slug"),
        ("other.example", "abc", 404, None, "wrong-host"),
    ],
)
def test_every_answer_of_a_link_is_told(
    edge: Edge, host: str, slug: str, status: int, location: str | None, reason: str | None
) -> None:
    answer = edge.get(f"/test-click/{slug}", host, X_Waypost_Test=token(edge, host, slug)).json
    assert (answer["status"], answer["location"], answer["reason"]) == (status, location, reason)


def test_without_a_valid_token_nothing_is_told(edge: Edge) -> None:
    for sent in (
        *("", "1.2", "x" * 5000, "\xff", token(edge)[:-1] + "x", token(edge, slug="other"), token(edge, "o.example")),
        *(token(edge, age_s=61), token(edge, age_s=-1000), mint_test_token(KEY, "t.example", "abc", time())),
    ):
        answer = edge.get("/test-click/abc", X_Waypost_Test=sent)
        assert (answer.status_code, answer.json["code"]) == (403, "bad-test-token"), sent


def test_a_token_is_good_for_a_minute_under_any_key_in_use() -> None:
    made = mint_test_token(KEY, "t.example", "abc", NOW_S)
    for later_s, good in ((0, True), (59, True), (61, False), (-59, True), (-120, False)):
        assert is_test_token(made, (b"another key of the tests", KEY), "t.example", "abc", NOW_S + later_s) is good
