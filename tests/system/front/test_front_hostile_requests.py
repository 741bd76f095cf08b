"""Malformed and smuggling requests, and hostile values in every parameter and macro, at each server and behind proxies.

Refused or understood alike by proxy and application: whatever the proxy answered as a redirect was recorded once.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bare_edge import HOST, SERVERS
from exchanges import Exchange, exchange, get
from hostile_corpus import CORPUS, HOSTILE_VALUES, NEVER_RECORDED, request_named
from hostile_places import CADDYS_5XX, NOTHING, OWN_5XX, PROXIES, Place, running_place
from waiting import wait_until

PAGE = Path(__file__).resolve().parents[3] / "docs" / "deployment.md"
PARAMETERS = [f"sub{number}" for number in range(1, 11)] + ["x", "cid", "utm_source"]


@pytest.fixture(scope="module", params=[(server, behind) for server in SERVERS for behind in (NOTHING, *PROXIES)])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    server, behind = request.param
    with running_place(server, behind, tmp_path_factory.mktemp(f"{server}-{behind}")) as place:
        yield place


def answers(place: Place) -> bool:
    try:
        return get(place.port, b"/click/link1").statuses == [302]
    except OSError:
        return False


def redirects(answer: Exchange) -> int:
    return sum(300 <= status < 400 for status in answer.statuses)


def test_the_corpus_is_large_and_a_plain_request_passes(place: Place) -> None:
    assert len(CORPUS) >= 30
    assert (place.answers["plain"].statuses, place.recorded["plain"]) == ([302], 1)


def test_no_request_is_answered_with_a_5xx(place: Place) -> None:
    who = place.edge.server if place.behind == NOTHING else place.behind
    wrong = {
        (who, name, status) for name, answer in place.answers.items() for status in answer.statuses if status >= 500
    }
    assert wrong <= OWN_5XX | CADDYS_5XX


def test_what_was_answered_with_a_redirect_is_what_was_recorded(place: Place) -> None:
    differ = {
        name: (answer.statuses, place.recorded[name])
        for name, answer in place.answers.items()
        if redirects(answer) != place.recorded[name]
    }
    assert differ == {}


def test_nothing_is_recorded_under_a_host_that_is_not_ours(place: Place) -> None:
    assert {click.host for click in place.edge.clicks()} == {HOST}


def test_what_readers_understand_differently_is_refused_behind_a_proxy(place: Place) -> None:
    if place.behind != NOTHING:
        assert {name: place.recorded[name] for name in NEVER_RECORDED if place.recorded[name]} == {}


def test_a_process_that_a_request_kills_is_replaced_and_nothing_recorded_is_lost(place: Place) -> None:
    before = len(place.edge.clicks())
    for name in place.crashes:
        exchange(place.port, request_named(name))
    wait_until(lambda: answers(place), what="the edge to answer again")
    assert len(place.edge.clicks()) > before


def test_the_edge_goes_on_serving_after_all_of_it(place: Place) -> None:
    assert get(place.port, b"/click/link1").statuses == [302]


@pytest.mark.parametrize("name", HOSTILE_VALUES)
def test_a_hostile_value_in_any_parameter_or_macro_gives_an_encoded_redirect(place: Place, name: str) -> None:
    value = HOSTILE_VALUES[name]
    header = value if value.isascii() or place.edge.server == "meinheld" else b"-"
    alone = [(parameter.encode() + b"=" + value) for parameter in PARAMETERS]
    for query in [*alone, b"&".join(alone)]:
        answer = get(place.port, b"/click/macros?" + query, b"User-Agent: " + header, b"Referer: " + header)
        assert all(status < 500 for status in answer.statuses), (query, answer)
        if answer.statuses != [302]:
            # Only raw bytes that no browser sends may be refused, and then by the server's parser.
            assert not value.isascii() or set(value) & set(b'<>"\\`'), (query, answer)
            assert answer.statuses == [400], (query, answer)
            continue
        location = answer.location
        assert location is not None
        assert location.startswith("https://m.example/")
        assert location.isascii()
        assert location.isprintable()
        assert not set(location) & set(" <>\"'\\")
        assert b"\r\nset-cookie" not in answer.data.lower()


def test_every_request_of_the_corpus_is_in_the_table_of_the_documentation() -> None:
    page = PAGE.read_text()
    assert [name for name in CORPUS if f"`{name}`" not in page] == []
