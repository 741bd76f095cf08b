"""Every hostile value in destinations, outgoing URLs and the JavaScript page: encoded in its place, never a 5xx."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pytest

from config.configuration import link_key, profile_key
from edge_client import Edge, link, profile, running_edge, settings_of
from hostile_values import HOSTILE_VALUES, OVER_THE_WIRE
from tracking.clicks import characters_max, parse_bounded, parse_query
from tracking.outgoing import compile_outgoing, conversion_facts, render_url
from tracking.runtime import FieldError

TEMPLATE = "https://m.example/{x}/{sub1}?s={sub1}&g={gclid}&n={campaign}&u={user_agent}&r={referrer}&l={language}#{x}"
HOSTS = {"302": "t.example", "301": "moved.example", "js": "page.example"}


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    home: Path = tmp_path_factory.mktemp("edge")
    served: dict[str, bytes] = {}
    for profile_id, (redirect_type, host) in enumerate(HOSTS.items(), 1):
        served[profile_key(host)] = profile(
            profile_id, redirect_type=redirect_type, pixels=["https://px.example/1.gif"]
        )
        served[link_key(profile_id, "abc")] = link(profile_id, TEMPLATE)
    with running_edge(settings_of(home), served.items()) as running:
        yield running


def sent(name: str) -> str:
    value = HOSTILE_VALUES[name].decode("latin-1")
    return f"x={value}&sub1={value}&gclid={value}&utm_campaign={value}"


def test_the_table_has_more_than_a_hundred_cases() -> None:
    assert len(HOSTILE_VALUES) >= 100
    assert len({*HOSTILE_VALUES.values()}) == len(HOSTILE_VALUES)
    assert len(OVER_THE_WIRE) >= 40


def check_plain(location: str) -> None:
    assert location.isascii()
    assert location.isprintable()
    assert not set(location) & set(" <>\"'`\\{}|^")
    split = urlsplit(location)
    assert (split.scheme, split.netloc, split.path.count("/")) == ("https", "m.example", 2)
    assert [part.partition("=")[0] for part in split.query.split("&")] == ["s", "g", "n", "u", "r", "l"]


@pytest.mark.parametrize("redirect_type", HOSTS)
@pytest.mark.parametrize("name", HOSTILE_VALUES)
def test_a_hostile_value_arrives_encoded_and_unchanged(edge: Edge, name: str, redirect_type: str) -> None:
    header = HOSTILE_VALUES[name][:5000].decode("latin-1")
    answer = edge.get(
        f"/click/abc?{sent(name)}", HOSTS[redirect_type], User_Agent=header, Referer=header, Accept_Language=header
    )
    if redirect_type == "js":
        assert answer.status_code == 200
        location = json.loads(answer.text.partition("var target = ")[2].partition(", pixels")[0])
        check_page(answer.text, location)
    else:
        assert answer.status_code == int(redirect_type)
        location = answer.headers["location"]
    check_plain(location)
    value = parse_query(sent(name))["x"]
    split = urlsplit(location)
    queried = dict(part.split("=", 1) for part in split.query.split("&"))
    for place, limit in (
        *((split.path.split("/")[1], 4096), (split.path.split("/")[2], 500), (split.fragment, 4096)),
        *((queried["s"], 500), (queried["g"], 1000), (queried["n"], 500)),
    ):
        assert unquote(place, errors="strict") == value[:limit]
    assert {characters_max(each) for each in ("sub1", "utm_campaign")} == {500}


def check_page(page: str, location: str) -> None:
    assert page.count("</script>") == 1
    assert page.count("<script") == 1
    assert page.count("<meta http-equiv") == 1
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u2028\u2029]", page)
    assert [unescape(url) for url in re.findall(r'(?:href="|content="0; url=)([^"]*)"', page)] == [location] * 2


@pytest.mark.parametrize("name", HOSTILE_VALUES)
def test_a_hostile_value_of_a_click_arrives_encoded_in_an_outgoing_url(name: str) -> None:
    parameters, _ = parse_bounded(sent(name))
    facts = conversion_facts({"order_id": parameters["sub1"], "click_id": "c"}, {"parameters": parameters})
    parts = compile_outgoing("https://p.example/{order_id}?g={gclid}&n={campaign}#{sub2}", "url")
    url = render_url(parts, facts | {"sub2": parameters["sub1"]}, "d-1")
    encoded = {key: quote(parameters[key], safe="", errors="replace") for key in ("sub1", "gclid", "utm_campaign")}
    assert url == (
        f"https://p.example/{encoded['sub1']}?g={encoded['gclid']}&n={encoded['utm_campaign']}#{encoded['sub1']}"
    )


def test_an_outgoing_url_that_no_server_would_take_is_refused() -> None:
    parts = compile_outgoing("https://p.example/?a={own}&b={own}", "url")
    facts = conversion_facts({}, {"parameters": {"own": "\U0001f4a9" * 4096}})
    with pytest.raises(FieldError, match="longer than 65536"):
        render_url(parts, facts, "d-1")
