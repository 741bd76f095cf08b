"""Questions to reports: what parameters mean, which roll-up answers, local time, filters as text, and cursors."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from random import Random
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin_api.http import InvalidFieldsError
from admin_api.reports import COLUMNS, Question, Usual, Viewer, parse_question, parse_selection
from admin_api.reports.drill_down import clicks_path, conversions_path
from admin_api.reports.errors import MoneyHiddenError
from admin_api.reports.places import decode_place, encode_place
from admin_api.reports.planner import Grain, ReportState, day_blocks, late_days, offsets, plan_of, remedy
from admin_api.reports.question import RowPlace, weekday_of
from admin_api.reports.values import ValueFilter, encode_filter, parse_filter
from tracking.reports import DIMENSIONS, GROUPS, DimensionKind, day_of, number_of_day
from tracking.runtime import FieldError

NOW = datetime(2026, 3, 31, 22, 30, tzinfo=UTC)
USUAL = Usual("Europe/Vienna", "EUR", "EUR", NOW)
FOLDED = ReportState("Europe/Vienna", number_of_day(date(2026, 3, 30)), 0)
EVERYBODY = Viewer()


def question_of(viewer: Viewer = EVERYBODY, **parameters: str) -> Question:
    """Return a question; `from_` stands for from."""
    return parse_question({name.rstrip("_"): text for name, text in parameters.items()}, viewer, USUAL)


def planned(state: ReportState = FOLDED, viewer: Viewer = EVERYBODY, **parameters: str) -> tuple[str, str]:
    """Return the grain and the group of the plan of a question."""
    plan = plan_of(question_of(viewer, **parameters), state)
    return plan.grain.value, plan.group.name if plan.group else ""


def test_without_parameters_the_last_thirty_days_of_the_usual_zone_are_meant() -> None:
    asked = question_of()
    # In Vienna it is April already.
    assert (asked.selection.first_day, asked.selection.last_day) == (date(2026, 3, 3), date(2026, 4, 1))
    assert asked.selection.days == 30
    assert question_of(time_zone="America/New_York").selection.last_day == date(2026, 3, 31)
    assert question_of(from_="2026-03-30").selection.days == 3
    assert question_of(from_="2027-03-30").selection.days == 1


@pytest.mark.parametrize(
    ("parameters", "sort"),
    [
        ({"group_by": "link,day"}, "day"),
        ({"group_by": "weekday,hour"}, "hour"),
        ({"group_by": "link"}, "-net"),
        ({"group_by": "event"}, "-conversions"),
        ({"group_by": "link", "columns": "cost,cr"}, "-cost"),
        ({"group_by": "link", "sort": "link"}, "link"),
    ],
)
def test_the_usual_order_is_that_of_time_or_the_most_clicks(parameters: dict[str, str], sort: str) -> None:
    assert str(question_of(**parameters).sort) == sort


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, ("days", "total")),
        ({"group_by": "day,weekday,event,class", "columns": "net"}, None),
        ({"group_by": "day,weekday"}, ("days", "total")),
        ({"group_by": "source"}, ("days", "source")),
        ({"group_by": "day", "country": "DE"}, ("days", "country")),
        ({"group_by": "country", "source": "1"}, ("days", "audience")),
        ({"group_by": "device"}, ("days", "device")),
        ({"group_by": "device,hour"}, ("hours", "audience")),
        ({"group_by": "device,os"}, ("days", "technology")),
        ({"group_by": "os,hour"}, ("rows", "")),
        ({"group_by": "link,rule"}, ("days", "link")),
        ({"group_by": "link", "country": "DE"}, ("rows", "")),
        ({"group_by": "sub3"}, ("rows", "")),
        ({"group_by": "sub2,source"}, ("days", "sub2")),
        ({"group_by": "class"}, ("days", "total")),
        ({"group_by": "class", "columns": "cost"}, ("rows", "")),
        ({"group_by": "event"}, ("days", "total")),
        ({"time_zone": "America/New_York"}, ("hours", "total")),
        ({"time_zone": "Asia/Kolkata"}, ("rows", "")),
        ({"hour": "7"}, ("hours", "total")),
    ],
)
def test_the_smallest_group_that_has_all_dimensions_answers(
    parameters: dict[str, str], expected: tuple[str, str] | None
) -> None:
    if expected is None:
        with pytest.raises(InvalidFieldsError):
            planned(**parameters)
    else:
        assert planned(**parameters) == expected


def test_a_partner_is_answered_from_groups_with_its_source() -> None:
    partner = Viewer(source_id=3)
    assert planned(viewer=partner) == ("days", "source")
    assert planned(viewer=partner, group_by="country") == ("days", "audience")
    assert planned(viewer=partner, group_by="browser") == ("rows", "")
    assert "source" in remedy(question_of(partner, group_by="browser"))


def test_hours_and_groups_answer_only_for_days_that_they_have() -> None:
    late = FOLDED._replace(hours_from=number_of_day(date(2026, 3, 10)) * 24)
    assert planned(late, group_by="hour") == ("rows", "")
    assert planned(late, group_by="hour", from_="2026-03-11") == ("hours", "total")
    assert planned(late, group_by="hour", from_="2026-03-25", compare="previous") == ("hours", "total")
    assert planned(late, group_by="hour", from_="2026-03-15", compare="previous") == ("rows", "")
    gap = FOLDED._replace(gaps=frozenset({("technology", number_of_day(date(2026, 3, 10)))}))
    assert planned(gap, group_by="os") == ("rows", "")
    assert planned(gap, group_by="os", from_="2026-03-11") == ("days", "technology")
    assert planned(gap, group_by="device") == ("days", "device")


def test_before_anything_is_folded_every_zone_is_that_of_the_roll_ups() -> None:
    assert planned(ReportState(None, 0, 0), time_zone="Asia/Kolkata") == ("days", "total")


@pytest.mark.parametrize("zone", ["Europe/Vienna", "America/New_York", "Asia/Tokyo", "America/St_Johns"])
def test_offsets_are_those_of_every_hour_also_when_clocks_change(zone: str) -> None:
    chosen = parse_selection({"from": "2026-03-01", "to": "2026-11-30", "time_zone": zone}, EVERYBODY, USUAL)
    found = offsets(chosen)
    if zone == "America/St_Johns":
        assert found is None
        return
    assert found is not None
    for hour in range(found[0].hour, int(chosen.moment(number_of_day(date(2026, 12, 1))).timestamp()) // 3600):
        shift = datetime.fromtimestamp(hour * 3600, UTC).astimezone(ZoneInfo(zone)).utcoffset()
        assert shift is not None
        assert [each.hours for each in found if each.hour <= hour][-1] * 3600 == shift.total_seconds()


def test_days_that_filters_leave_are_covered_exactly_once() -> None:
    random = Random(3)
    for _ in range(200):
        first = date.fromordinal(random.randint(738000, 739000))
        parameters = {
            "from": first.isoformat(),
            "to": day_of(number_of_day(first) + random.randint(0, 200)).isoformat(),
        }
        if random.random() < 0.7:
            parameters["weekday"] = random.choice(["1,2,3,4,5", "!1", "6", "!6,7"])
        if random.random() < 0.5:
            parameters["day"] = "!" + day_of(number_of_day(first) + random.randint(0, 50)).isoformat()
        chosen = parse_selection(parameters, EVERYBODY, USUAL)
        built = number_of_day(first) + random.randint(-5, 250)
        counted: dict[int, int] = {}
        for level, block, sign in day_blocks(chosen, built):
            for day in range(block * level, (block + 1) * level):
                # Blocks of several days end where roll-ups are built to.
                if day < built:
                    counted[day] = counted.get(day, 0) + sign
        for start, end in late_days(chosen, built):
            for day in range(start, end):
                counted[day] = counted.get(day, 0) + 1
        expected = {day for start, end in chosen.runs() for day in range(start, end)}
        assert {day: count for day, count in counted.items() if count} == dict.fromkeys(expected, 1)


def test_the_period_before_has_as_many_days_and_its_own_weekdays() -> None:
    march = question_of(from_="2026-03-01", to="2026-03-31", day="2026-03-31", weekday="!7", compare="previous")
    before = march.selection.previous()
    assert (before.first_day, before.last_day) == (date(2026, 1, 29), date(2026, 2, 28))
    assert [day_of(day) for run in before.runs() for day in range(*run)] == [date(2026, 2, 28)]
    assert weekday_of(number_of_day(date(2026, 2, 28))) == 6


def values_of(name: str) -> st.SearchStrategy[Any]:
    """Return values of a dimension as questions hold them."""
    kind = DIMENSIONS[name].kind
    if kind is DimensionKind.ID:
        return st.integers(0, 10**17)
    if kind is DimensionKind.TEXT:
        printable = st.characters(blacklist_categories=("Cs", "Cc"))
        return st.text(printable, max_size=DIMENSIONS[name].characters_max)
    return st.sampled_from({"day": [0, 20_000], "hour": [0, 23], "weekday": [1, 7]}[name])


@given(data=st.data(), name=st.sampled_from([name for name in DIMENSIONS if name not in ("class", "event")]))
def test_a_filter_that_was_written_is_read_as_it_was(data: st.DataObject, name: str) -> None:
    values = data.draw(st.lists(values_of(name), min_size=1, max_size=4, unique=True))
    chosen = ValueFilter(name, tuple(values), data.draw(st.booleans()))
    assert parse_filter(encode_filter(chosen, DIMENSIONS[name]), DIMENSIONS[name]) == chosen


def test_the_paths_of_a_row_select_its_key_within_the_question() -> None:
    asked = question_of(group_by="sub1,day,link", country="!DE,AT", source="(none)", by="conversion", hour="7")
    key = ("a,b\\!", number_of_day(date(2026, 3, 5)), 0)
    for path in (clicks_path(asked, key), conversions_path(asked, key)):
        assert path is not None
        parameters = dict(parse_qsl(urlsplit(path).query, strict_parsing=True))
        assert parameters.pop("by", "conversion") == "conversion"
        chosen = parse_selection(parameters, EVERYBODY, USUAL)
        assert chosen.first_day == chosen.last_day == date(2026, 3, 5)
        assert set(chosen.filters) == {
            ValueFilter("country", ("DE", "AT"), without=True),
            ValueFilter("source", (0,)),
            ValueFilter("hour", (7,)),
            ValueFilter("sub1", ("a,b\\!",)),
            ValueFilter("link", (0,)),
        }
    assert clicks_path(question_of(group_by="event"), ("ftd",)) is None
    assert conversions_path(question_of(group_by="class"), ("bot",)) is None
    mine = clicks_path(question_of(Viewer(source_id=3), group_by="link"), (1,))
    assert mine is not None
    assert "source" not in mine


def test_a_cursor_comes_back_as_the_place_it_was() -> None:
    asked = question_of(group_by="sub1,day", sort="-cr")
    for value in (0.1, 1 / 3, None, 5.0):
        place = RowPlace(value, ("é,\\", 20_000))
        assert decode_place(encode_place(asked, place), "cursor", asked) == place
    counted = replace(asked, sort=question_of(group_by="sub1,day", sort="net").sort)
    place = RowPlace(2**62, ("", -1))
    assert decode_place(encode_place(counted, place), "cursor", counted) == place


@pytest.mark.parametrize("value", ["5", True, [5], {"a": 1}, 1.5])
def test_a_cursor_with_a_value_or_a_key_of_another_type_is_refused(value: Any) -> None:
    asked = question_of(group_by="sub1,link", sort="-net")
    for place in (RowPlace(value, ("x", 1)), RowPlace(5, ("x", value)), RowPlace(5, (1, 1)), RowPlace(5, ("x",))):
        with pytest.raises(FieldError):
            decode_place(encode_place(asked, place), "cursor", asked)


def test_who_sees_no_money_gets_and_sorts_by_none() -> None:
    blind = Viewer(sees_money=False)
    assert question_of(blind, group_by="link").columns == ("gross", "net", "uniques", "conversions", "cr")
    money = [name for name, column in COLUMNS.items() if column.money != "none"]
    assert money == ["epc", "revenue", "commission", "cost", "profit", "roi"]
    for name in money:
        for parameters in ({"columns": name}, {"columns": "net", "sort": f"-{name}"}):
            with pytest.raises(MoneyHiddenError):
                question_of(blind, group_by="link", **parameters)


def test_the_epc_of_a_partner_is_made_of_its_commission() -> None:
    figures = {"valid": 3, "revenue": 900, "commission": 100}
    assert question_of().column("epc").shows(figures, "EUR") == "3.000000"
    assert question_of(Viewer(source_id=3)).column("epc").shows(figures, "EUR") == "0.333333"
    assert question_of().column("epc").shows(figures, "JPY") == "300.0000"


def test_every_group_has_its_rank() -> None:
    for group in GROUPS:
        plan = plan_of(question_of(group_by=",".join(group.names[:4])), FOLDED)
        assert plan.grain is Grain.DAYS
