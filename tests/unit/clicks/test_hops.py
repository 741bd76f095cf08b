"""Chains of our own links end: each hop is counted in the URL, and the sixth is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from config.configuration import link_key, profile_key
from edge.clicks.hops import HOPS_MAX, hops_before, host_of, with_hop
from edge_client import Edge, link, profile, running_edge, settings_of
from tracking.routing import compile_plan

URL = "https://m.example/p"


def to(url: str) -> dict[str, object]:
    return {"rules": [{"rule_id": 1, "destinations": [{"destination_id": 10, "url": url}]}]}


SERVED = {
    profile_key("t.example"): profile(1, fallback_url="https://other.example/route/off"),
    profile_key("other.example"): profile(2, fallback_url="https://t.example/click/off"),
    link_key(1, "one"): link(1, "https://other.example/route/two?sub1={sub1}&c={click_id}#top"),
    link_key(2, "two"): link(2, "https://t.example/click/{sub1}?sub1={sub1}"),
    link_key(1, "ruled"): link(3, URL, plan=compile_plan(to("https://T.example:443/click/ruled"), 1, "DP")),
    link_key(1, "off"): link(4, URL, active=False),
    link_key(2, "off"): link(5, URL, active=False),
    link_key(1, "network"): link(6, "https://go.network.example/click/77?x={sub1}"),
    link_key(1, "once"): link(7, "https://other.example/click/end?a=b"),
    link_key(2, "end"): link(8, URL),
    link_key(None, "loose"): link(9, "https://anywhere.example/click/loose"),
}


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Edge]:
    with running_edge(settings_of(tmp_path), SERVED.items()) as running:
        yield running


def follow(edge: Edge, url: str, most: int = 20) -> tuple[int, int, str]:
    """Follow redirects as a browser does, within our hosts; return how many there were, the last status and URL."""
    for number in range(most):
        split = urlsplit(url)
        answer = edge.get(f"{split.path}?{split.query}", host=split.netloc)
        if answer.status_code != 302:
            return number, answer.status_code, answer.headers.get("x-waypost-reason", "")
        url = answer.headers["location"]
        if urlsplit(url).netloc not in ("t.example", "other.example", "anywhere.example", "t.example:443"):
            return number + 1, 302, url
    pytest.fail(f"the chain goes on at {url}")


@pytest.mark.parametrize(
    ("start", "hops"),
    [
        # Two links that lead to each other by a slug that is a macro, a rule, and two fallbacks.
        ("https://t.example/click/one?sub1=one", HOPS_MAX),
        ("https://t.example/click/ruled", HOPS_MAX),
        ("https://t.example/click/off", HOPS_MAX),
        # No tracking domain, but the host that was asked.
        ("https://anywhere.example/click/loose", HOPS_MAX),
    ],
)
def test_a_loop_of_our_links_ends_after_a_few_hops(edge: Edge, start: str, hops: int) -> None:
    assert follow(edge, start) == (hops, 404, "loop")


def test_a_chain_that_ends_is_followed_to_its_end(edge: Edge) -> None:
    assert follow(edge, "https://t.example/click/once") == (2, 302, URL)
    assert edge.get("/click/once").headers["location"] == "https://other.example/click/end?a=b&wp_hop=1"


def test_somebody_elses_url_that_looks_like_a_link_of_ours_stays_as_it_is(edge: Edge) -> None:
    answer = edge.get("/click/network?sub1=a&wp_hop=99")
    assert (answer.status_code, answer.headers["location"]) == (302, "https://go.network.example/click/77?x=a")


@pytest.mark.parametrize("said", ["", "x", "-1", "%00", "\u0663", "999999999", "1.5", "0x9"])
def test_a_count_that_is_none_counts_as_the_first_hop(edge: Edge, said: str) -> None:
    location = edge.get(f"/click/once?wp_hop={said}").headers["location"]
    assert location.endswith("wp_hop=1")


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([URL], f"{URL}?wp_hop=3"),
        ([f"{URL}?a=b"], f"{URL}?a=b&wp_hop=3"),
        ([f"{URL}#f?"], f"{URL}?wp_hop=3#f?"),
        ([f"{URL}/", "x", ""], f"{URL}/x?wp_hop=3"),
        ([f"{URL}?a=", "x", "#f"], f"{URL}?a=x&wp_hop=3#f"),
        ([f"{URL}#", "x", ""], f"{URL}?wp_hop=3#x"),
    ],
)
def test_the_count_stands_in_the_query_before_the_fragment(pieces: list[str], expected: str) -> None:
    assert "".join(with_hop(pieces, 3)) == expected


def test_the_host_of_a_url_is_read_without_port_path_and_query() -> None:
    urls = [
        URL,
        "https://a.example",
        "http://a.example:8080/x",
        "https://a.example?x=/click/",
        "https://a.example/?c=http://b",
    ]
    assert [host_of(url) for url in urls] == ["m.example", *["a.example"] * 4]
    assert hops_before("a=b&wp_hop=3&wp_hop=4") == 3
