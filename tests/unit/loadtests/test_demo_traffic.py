"""The demo's traffic: access logs of any quality become visits, and merchants' reports add up to what is expected."""

from __future__ import annotations

import gzip
from pathlib import Path
from random import Random
from urllib.parse import parse_qs
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.demo.access_log import AccessLog, parse_line
from loadtests.demo.journeys import Kind, forge, plan_journeys
from loadtests.demo.stack import DemoError
from loadtests.demo.visits import Visit, generated_visits
from tracking.clicks import ClickIdMint, ProcessIdentity, parse_click_id
from tracking.conversions import ConversionStatus, Event

KEY = b"k" * 32
GOOD = (
    b'192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /a/b?c=d%20e HTTP/1.1" 200 10 "https://r.example/" "Agent/1.0"\n'
)


def click_ids(count: int) -> list[str]:
    mint = ClickIdMint([KEY], ProcessIdentity(1, 2, 3))
    return [mint.mint()[0] for _ in range(count)]


def test_a_line_becomes_a_visit() -> None:
    visit = parse_line(GOOD)
    assert visit == Visit("GET", "sub1=%2Fa%2Fb&x=c%3Dd%2520e", "Agent/1.0", "https://r.example/", "192.0.2.1")
    assert parse_qs(visit.query) == {"sub1": ["/a/b"], "x": ["c=d%20e"]}


@pytest.mark.parametrize(
    ("line", "user_agent", "referrer"),
    [
        (rb'::1 - - [x] "GET / HTTP/1.1" 200 - "-" "-"', "", ""),
        (rb'::1 - bob smith [x] "GET / HTTP/2" 200 5 "" "a \"b\" \\c"', 'a "b" \\c', ""),
        (rb'::1 - - [x] "GET / HTTP/1.0" 200 5 "\xc3\xa9" "\x00\x1b[0m\t\x7fx"', "[0mx", "\xc3\xa9"),
        (b'::1 - - [x] "GET / HTTP/1.0" 200 5 "\xff" "caf\xc3\xa9"', "caf\xc3\xa9", "\xff"),
        (rb'::1 - - [x] "GET / HTTP/1.1" 200 5 "-" "x" "extra field" 0.01', "x", ""),
    ],
)
def test_header_bytes_are_those_of_the_log(line: bytes, user_agent: str, referrer: str) -> None:
    visit = parse_line(line)
    assert visit is not None
    assert (visit.user_agent, visit.referrer) == (user_agent, referrer)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"nonsense",
        GOOD[:40],
        GOOD.replace(b'"GET /a/b?c=d%20e HTTP/1.1"', b'"-"'),
        GOOD.replace(b'"GET /a/b?c=d%20e HTTP/1.1"', rb'"\x16\x03\x01\x00"'),
        GOOD.replace(b" 200 ", b" OK "),
        b"\x1f\x8b\x08\x00" + GOOD[:10],
    ],
)
def test_what_is_no_line_is_none(line: bytes) -> None:
    assert parse_line(line) is None


@given(line=st.binary(max_size=300) | st.binary(max_size=60).map(lambda noise: GOOD.replace(b"Agent/1.0", noise)))
def test_any_line_is_read_without_an_error_and_fits_into_headers(line: bytes) -> None:
    visit = parse_line(line)
    if visit is not None:
        assert visit.query.isascii()
        assert not any(ord(character) < 32 or ord(character) > 255 for character in visit.user_agent + visit.referrer)


def test_a_hostile_line_takes_no_long_time() -> None:
    assert parse_line(b"1 - " + b"[" * 50_000 + b'"' * 50_000) is None


@pytest.mark.parametrize("compressed", [False, True])
def test_a_log_is_read_whole_and_its_bad_lines_are_counted(tmp_path: Path, compressed: bool) -> None:
    data = GOOD + b"bad\n\n" + GOOD.replace(b"GET", b"POST") + GOOD.replace(b"GET", b"HEAD").rstrip()
    path = tmp_path / "access.log"
    path.write_bytes(gzip.compress(data) if compressed else data)
    log = AccessLog(path)
    assert [visit.method for visit in log.visits()] == ["GET", "GET", "HEAD"]
    assert (log.malformed, dict(log.other_methods), log.count_lines()) == (1, {"POST": 1}, 4)
    assert log.count_lines(2) == 2
    assert len(list(AccessLog(path).visits(1))) == 1


def test_a_log_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match=r"missing\.log"):
        AccessLog(tmp_path / "missing.log").count_lines()
    broken = tmp_path / "broken.gz"
    broken.write_bytes(gzip.compress(GOOD * 1000)[:40])
    with pytest.raises(DemoError, match=r"broken\.gz"):
        AccessLog(broken).count_lines()


def test_generated_visits_are_the_same_for_the_same_seed_and_real_browsers_mostly() -> None:
    visits = list(generated_visits(500, 3))
    assert visits == list(generated_visits(500, 3))
    assert visits != list(generated_visits(500, 4))
    assert sum("Mozilla/5.0" in visit.user_agent for visit in visits) > 400
    assert {visit.method for visit in visits} == {"GET", "HEAD"}
    assert all(visit.user_agent.isprintable() or not visit.user_agent.isascii() for visit in visits)


def test_a_forged_id_is_well_formed_and_refused() -> None:
    for click_id in click_ids(50):
        assert UUID(forge(click_id)).version == 7
        assert parse_click_id(forge(click_id), [KEY]) is None


def test_journeys_hold_every_kind_and_event_and_are_the_same_for_the_same_seed() -> None:
    ids = click_ids(1000)
    journeys = list(plan_journeys(ids, 0.3, 5))
    assert journeys == list(plan_journeys(ids, 0.3, 5))
    steps = [step for journey in journeys for step in journey.steps + journey.later]
    assert {step.kind for step in steps} == set(Kind)
    assert {step.event for step in steps} == set(Event)
    assert {step.route for step in steps} == {"json", "get", "post"}


def test_what_is_expected_of_a_journey_is_what_its_steps_end_in() -> None:
    for journey in plan_journeys(click_ids(1000), 0.5, Random(1).randrange(100)):
        ends = {}
        for step in journey.steps + journey.later:
            if step.kind is Kind.UNAUTHENTICATED:
                ends[step.event, step.order_id] = ConversionStatus.PENDING
            elif step.kind is not Kind.FORGED:
                ends[step.event, step.order_id] = step.status or ConversionStatus.APPROVED
        assert {(row.event, row.order_id): row.status for row in journey.expected} == ends


def test_a_single_click_converts_too() -> None:
    assert list(plan_journeys(click_ids(1), 0.01, 1))
    assert list(plan_journeys([], 0.5, 1)) == []
