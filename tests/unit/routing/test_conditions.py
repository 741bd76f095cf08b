"""What each condition means: every field with what fits it and what does not, as published and read back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
import pytest

from known_facts import MONDAY_NOON_S, KnownFacts
from tracking.routing import compile_condition, decode_condition


def holds(condition: dict[str, Any], facts: KnownFacts, time_zone: str = "UTC") -> bool:
    """Return whether a condition holds, after it went through its published form as bytes."""
    published = orjson.loads(orjson.dumps(compile_condition(condition, time_zone)))
    return decode_condition(published)(facts)


def param(match: str, *values: str, name: str = "utm_source") -> dict[str, Any]:
    return {"field": "parameter", "name": name, "match": match, "values": list(values)}


def sub(number: int, match: str, *values: str) -> dict[str, Any]:
    return {"field": f"sub{number}", "match": match, "values": list(values)}


def known(**facts: Any) -> KnownFacts:
    return KnownFacts(**facts)


SPRING = {"utm_source": "Spring-Sale"}
CASES: list[tuple[dict[str, Any], KnownFacts, KnownFacts]] = [
    # The condition, a click that it fits, and one that it does not.
    ({"field": "country", "values": ["DE", "AT"]}, known(country="AT"), known(country="FR")),
    ({"field": "region", "values": ["bavaria", "Tyrol"]}, known(region="Bavaria"), known(region="Bavarian")),
    ({"field": "city", "values": ["M\u00dcNCHEN"]}, known(city="M\u00fcnchen"), known(city="Munich")),
    ({"field": "city", "values": ["Strasse"]}, known(city="STRA\u1e9eE"), known(city="Stras")),
    ({"field": "isp", "values": ["deutsche telekom ag"]}, known(isp="Deutsche Telekom AG"), known(isp="Telekom")),
    ({"field": "asn", "values": [3320, 15169]}, known(asn=15169), known(asn=1516)),
    ({"field": "connection", "values": ["cellular"]}, known(connection="Cellular"), known(connection="Cable/DSL")),
    ({"field": "device", "values": ["phone", "tablet"]}, known(device="tablet"), known(device="desktop")),
    ({"field": "os", "values": ["ios"]}, known(os="iOS"), known(os="Mac OS X")),
    ({"field": "browser", "values": ["Mobile Safari"]}, known(browser="Mobile Safari"), known(browser="Safari")),
    ({"field": "language", "values": ["DE"]}, known(language="de"), known(language="en")),
    ({"field": "source", "values": ["Newsletter"]}, known(source="newsletter"), known(source="news")),
    ({"field": "referrer", "values": ["a.example"]}, known(referrer="a.example"), known(referrer="ba.example")),
    ({"field": "referrer", "values": ["A.example"]}, known(referrer="www.a.example"), known(referrer="example")),
    ({"field": "class", "values": ["head", "prefetch"]}, known(request_class="head"), known(request_class="valid")),
    ({"field": "bot", "values": []}, known(bot=True), known(bot=False)),
    ({"field": "visitor", "values": ["returning"]}, known(returning=True), known(returning=False)),
    ({"field": "visitor", "values": ["new"]}, known(returning=False), known(returning=True)),
    (param("is", "x", "Spring-Sale"), known(parameters=SPRING), known(parameters={"utm_source": "spring-sale"})),
    (param("contains", "-"), known(parameters=SPRING), known(parameters={"utm_source": "Spring"})),
    (param("begins", "Spring"), known(parameters=SPRING), known(parameters={"utm_source": "A Spring"})),
    (param("ends", "Sale", "Rest"), known(parameters=SPRING), known(parameters={"utm_source": "Sales"})),
    (param("present"), known(parameters=SPRING), known(parameters={"utm_source": ""})),
    (param("is", "x"), known(parameters={"utm_source": "x"}), known(parameters={"utm_medium": "x"})),
    (
        param("is", "\u00e9\u202e\U0001f600", name="\u00fc"),
        known(parameters={"\u00fc": "\u00e9\u202e\U0001f600"}),
        known(),
    ),
    (sub(1, "is", "a"), known(subs={1: "a"}), known(subs={2: "a"})),
    (sub(10, "begins", "a"), known(subs={10: "ab"}), known(subs={1: "ab"})),
    (sub(3, "present"), known(subs={3: "0"}), known(subs={3: ""})),
    ({"field": "time", "weekdays": [1]}, known(), known(at_s=MONDAY_NOON_S + 86_400)),
    ({"field": "time", "hours": [[12, 13]]}, known(), known(at_s=MONDAY_NOON_S + 3_600)),
]


@pytest.mark.parametrize(("condition", "fits", "differs"), CASES, ids=lambda case: str(case)[:60])
def test_a_condition_holds_for_what_fits_and_its_negation_for_what_does_not(
    condition: dict[str, Any], fits: KnownFacts, differs: KnownFacts
) -> None:
    negated = condition | {"negate": True}
    assert (holds(condition, fits), holds(condition, differs)) == (True, False)
    assert (holds(negated, fits), holds(negated, differs)) == (False, True)


@pytest.mark.parametrize(
    "condition",
    [case for case, _, _ in CASES if case["field"] not in ("time", "visitor")],
    ids=lambda case: str(case)[:60],
)
def test_what_is_not_known_fits_no_value_and_so_every_negation(condition: dict[str, Any]) -> None:
    assert not holds(condition, known())
    assert holds(condition | {"negate": True}, known())


def test_a_short_sub_or_a_value_alike_is_no_other_sub() -> None:
    assert not holds(sub(1, "is", "a"), known(subs={10: "a"}))
    assert not holds(sub(10, "is", "a"), known(subs={1: "a"}))


BERLIN = {"field": "time", "weekdays": [1, 2, 3, 4, 5], "hours": [[9, 17]], "time_zone": "Europe/Berlin"}
NIGHT = {"field": "time", "hours": [[22, 2]], "time_zone": "America/New_York"}


@pytest.mark.parametrize(
    ("condition", "moment", "expected"),
    [
        # Winter: Berlin is an hour ahead of UTC.
        (BERLIN, "2026-01-05T07:59:59Z", False),
        (BERLIN, "2026-01-05T08:00:00Z", True),
        (BERLIN, "2026-01-05T15:59:59Z", True),
        (BERLIN, "2026-01-05T16:00:00Z", False),
        # Summer: two hours.
        (BERLIN, "2026-07-06T07:00:00Z", True),
        (BERLIN, "2026-07-06T15:00:00Z", False),
        # Friday, Saturday, and the Sunday that is Monday in Auckland.
        (BERLIN, "2026-01-09T12:00:00Z", True),
        (BERLIN, "2026-01-10T12:00:00Z", False),
        ({"field": "time", "weekdays": [1], "time_zone": "Pacific/Auckland"}, "2026-01-11T12:00:00Z", True),
        ({"field": "time", "weekdays": [7], "time_zone": "Pacific/Auckland"}, "2026-01-11T10:59:59Z", True),
        # The night over midnight, and the hour that comes twice as summer ends: 1:30 is before and after.
        (NIGHT, "2026-01-06T02:59:59Z", False),
        (NIGHT, "2026-01-06T03:00:00Z", True),
        (NIGHT, "2026-01-06T06:59:59Z", True),
        (NIGHT, "2026-01-06T07:00:00Z", False),
        (NIGHT, "2026-11-01T05:30:00Z", True),
        (NIGHT, "2026-11-01T06:30:00Z", True),
        # The hour that is left out as summer begins: after 1:59 comes 3:00.
        ({"field": "time", "hours": [[2, 3]], "time_zone": "Europe/Berlin"}, "2026-03-29T00:59:59Z", False),
        ({"field": "time", "hours": [[2, 3]], "time_zone": "Europe/Berlin"}, "2026-03-29T01:00:00Z", False),
        ({"field": "time", "hours": [[3, 4]], "time_zone": "Europe/Berlin"}, "2026-03-29T01:00:00Z", True),
        # Time zones of half and of quarter hours.
        ({"field": "time", "hours": [[9, 10]], "time_zone": "Asia/Kolkata"}, "2026-01-05T03:30:00Z", True),
        ({"field": "time", "hours": [[9, 10]], "time_zone": "Asia/Kathmandu"}, "2026-01-05T03:14:59Z", False),
        ({"field": "time", "hours": [[9, 10]], "time_zone": "Asia/Kathmandu"}, "2026-01-05T03:15:00Z", True),
        # Several spans, a whole day, and no span at all.
        ({"field": "time", "hours": [[0, 1], [23, 24]]}, "2026-01-05T23:59:59Z", True),
        ({"field": "time", "hours": [[0, 1], [23, 24]]}, "2026-01-05T22:59:59Z", False),
        ({"field": "time", "hours": [[0, 24]]}, "2026-01-05T00:00:00Z", True),
        ({"field": "time", "hours": [[5, 5]]}, "2026-01-05T00:00:00Z", True),
        ({"field": "time"}, "2026-01-05T00:00:00Z", True),
        (BERLIN | {"negate": True}, "2026-01-10T12:00:00Z", True),
    ],
)
def test_times_are_those_of_the_time_zone_also_as_summer_begins_and_ends(
    condition: dict[str, Any], moment: str, expected: bool
) -> None:
    assert holds(condition, known(at_s=int(datetime.fromisoformat(moment).timestamp()))) is expected


def test_a_time_without_a_time_zone_is_in_that_of_the_rules() -> None:
    condition = {"field": "time", "hours": [[21, 22]]}
    assert holds(condition, known(), "Asia/Tokyo")
    assert not holds(condition, known(), "Europe/Berlin")


@pytest.mark.parametrize(
    "published",
    [
        [],
        ["unheard-of", False, ["x"]],
        ["country"],
        ["time", False, [], [[], [], "No/Where"]],
        ["subx", False, [], ["is"]],
    ],
)
def test_a_condition_that_this_release_does_not_know_is_an_error_and_not_a_match(published: list[Any]) -> None:
    with pytest.raises((ValueError, TypeError, LookupError, AttributeError)):
        decode_condition(published)(known())
