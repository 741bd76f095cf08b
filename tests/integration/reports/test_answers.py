"""Every answer is what the rows say, counted one by one, from roll-ups and from partitions alike."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import worker_cases as cases
from admin_api.reports import COLUMNS, Answer, PostgresReports, Question, Usual, Viewer, late, parse_question
from admin_api.reports.planner import Grain, Plan
from admin_api.reports.question import RowPlace
from admin_api.runtime import open_pool
from report_answers import World, read_world
from report_history import ZONE, History, begin, prepare
from tracking.reports import DIMENSIONS, DimensionKind

NOW = datetime.now(UTC)
USUAL = Usual(ZONE, "EUR", "EUR", NOW)
EVERYTHING = ",".join(COLUMNS)
OF_CLICKS = "gross,net,uniques,bot,duplicate,head"
TODAY = USUAL.today(ZONE)
# Roll-ups are kept in the first; the others differ by whole hours, by half an hour, and by three quarters.
ZONES = (ZONE, ZONE, "UTC", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe")
# More for a long run: WAYPOST_REPORT_QUESTIONS=5000.
QUESTIONS = int(os.environ.get("WAYPOST_REPORT_QUESTIONS", "60"))


@dataclass(repr=False)
class Asked:
    """A world, and stores that answer from roll-ups where they can, and from partitions alone."""

    world: World
    usual_store: PostgresReports
    from_rows: PostgresReports
    in_steps: PostgresReports
    history: History

    def ask(self, parameters: Mapping[str, str], viewer: Viewer = Viewer()) -> Answer:  # noqa: B008 - never changed
        """Ask both stores; their answers must be the same, and what the rows say. Return that of the usual one."""
        question = parse_question({"limit": "500", **parameters}, viewer, USUAL)
        answer = self.usual_store.answer(question)
        other = self.from_rows.answer(question)
        assert other.head.answered_from == "partitions"
        assert [shown(row) for row in answer.rows] == [shown(row) for row in other.rows]
        assert answer.head.totals == other.head.totals
        assert answer.head.previous_totals == other.head.previous_totals
        assert answer.head.missing_rates == other.head.missing_rates
        self._compare(question, answer)
        return answer

    def _compare(self, question: Question, answer: Answer) -> None:
        self.world.missing.clear()
        expected = self.world.answer(question)
        assert answer.head.totals == self.world.totals(question)
        found = {row.key: row.figures for row in answer.rows}
        if question.compare:
            earlier = question.selection.previous()
            before = {moved(question, key): sums for key, sums in self.world.answer(question, earlier).items()}
            nothing = dict.fromkeys(question.figures, 0)
            assert {row.key: row.previous for row in answer.rows} == {
                key: before.get(key, nothing) for key in expected | before
            }
            expected = {key: expected.get(key, nothing) for key in expected | before}
            assert answer.head.previous_totals == self.world.totals(question, earlier)
        assert found == expected
        assert {(each.currency, each.day) for each in answer.head.missing_rates} == {
            (currency, day.isoformat()) for currency, day in self.world.missing
        }
        assert_in_order(question, answer)


def shown(row: Any) -> Any:
    return row.key, row.figures, row.previous, row.place


def moved(question: Question, key: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the key of the period before as it stands beside that of the period."""
    days = question.selection.days
    return tuple(part + days if name == "day" else part for name, part in zip(question.group_by, key, strict=True))


def assert_in_order(question: Question, answer: Answer) -> None:
    """Assert that rows are in the order of what is shown, and those without a value at the end."""
    name = question.sort.name
    if name in question.group_by:
        values = [row.key[question.group_by.index(name)] for row in answer.rows]
    else:
        values = [question.column(name).shows(row.figures, question.currency) for row in answer.rows]
        values = [float(value) if isinstance(value, str) else value for value in values]
    known = [value for value in values if value is not None]
    assert values[len(known) :] == [None] * (len(values) - len(known))
    # Text is in the order of its bytes in UTF-8, which is that of its characters.
    assert known == sorted(known, reverse=question.sort.descending)


@pytest.fixture(scope="module")
def asked(module_database_url: str, redis_server: str) -> Iterator[Asked]:
    """Yield a world whose clicks and conversions are partly folded, with rates that have a hole."""
    with (
        cases.installed(module_database_url, redis_server) as used,
        psycopg.connect(module_database_url, autocommit=True) as connection,
        closing(open_pool(module_database_url, 2)) as pool,
    ):
        prepare(used.database.wait())
        history = begin(used, connection, Random(11))
        connection.execute("update links set source_id = link_id where link_id <= 2")
        for step in (*["store"] * 14, "settle", *["postback"] * 40, "decide", "adjust", "adjust", "class_again"):
            history.step(step)
        for kind in ("prefetch", "datacenter", "rate", "duplicate"):
            connection.execute(
                "update clicks set class = %s, is_unique = false where click_id in"
                " (select click_id from clicks where class = 'valid' order by click_id limit 3)",
                [kind],
            )
        history.fold_all()
        for step in (*["store"] * 3, *["postback"] * 8, "move_link", "erase", "class_again", "decide", "adjust"):
            history.step(step)
        day = timedelta(days=1)
        for back in (0, 1, 2, 4, 5, 6, 7):
            connection.execute(
                "insert into exchange_rates (origin, base, quote, rate_date, rate, valid_days)"
                " values ('ecb', 'EUR', 'USD', %s, %s, 0) on conflict do nothing",
                [(NOW - back * day).date(), 1.1 + back / 100],
            )
        yield Asked(
            read_world(connection),
            PostgresReports(pool, 30),
            PostgresReports(pool, 30, lambda *_: Plan(Grain.ROWS)),
            PostgresReports(pool, 30, late_keys_min=0),
            history,
        )


@pytest.mark.parametrize("dimension", [name for name in DIMENSIONS if name not in ("class", "event")])
@pytest.mark.parametrize("by", ["click", "conversion"])
def test_each_dimension_is_counted_as_the_rows_say(asked: Asked, dimension: str, by: str) -> None:
    assert asked.ask({"group_by": dimension, "columns": EVERYTHING, "by": by}).rows


def test_classes_and_events_are_counted_as_the_rows_say(asked: Asked) -> None:
    classes = asked.ask({"group_by": "class", "columns": OF_CLICKS})
    assert {row.key[0] for row in classes.rows} >= {"valid", "bot", "head"}
    events = asked.ask({"group_by": "event,source", "columns": "conversions,reversed,revenue,commission,event:ftd"})
    assert {row.key[0] for row in events.rows} == {"ftd", "registration", "deposit"}


@pytest.mark.parametrize("column", [*COLUMNS, "event:ftd", "event:deposit"])
def test_each_column_is_counted_and_sorted_by_as_the_rows_say(asked: Asked, column: str) -> None:
    for sign in ("", "-"):
        answer = asked.ask({"group_by": "link,source", "columns": column, "sort": f"{sign}{column}"})
        assert answer.head.answered_from == "rollups"
        assert answer.rows


def texts_of(name: str) -> st.SearchStrategy[str]:
    """Return filters of a dimension, most of whose values occur."""
    values = {
        "day": st.integers(0, 8).map(lambda back: (TODAY - timedelta(days=back)).isoformat()),
        "hour": st.integers(0, 23).map(str),
        "weekday": st.integers(1, 7).map(str),
        "class": st.sampled_from(["valid", "bot", "duplicate", "head"]),
        "event": st.sampled_from(["ftd", "registration", "deposit", "other"]),
        "country": st.sampled_from(["AT", "US", "(none)"]),
        "device": st.sampled_from(["desktop", "smartphone", "(none)"]),
        "referrer": st.sampled_from(["ref.example", "other.example", "(none)"]),
        "sub1": st.sampled_from(["one", "two", "a" * 200, "(none)"]),
    }
    kind = DIMENSIONS[name].kind
    usual = st.sampled_from(["1", "2", "3", "(none)"]) if kind is DimensionKind.ID else st.sampled_from(["x", "(none)"])
    several = st.lists(values.get(name, usual), min_size=1, max_size=3, unique=True).map(",".join)
    return st.builds(str.__add__, st.sampled_from(["", "!"]), several)


@st.composite
def questions(draw: st.DrawFn) -> dict[str, str]:
    """Return the parameters of a question that fits: classes with clicks alone, events with conversions alone."""
    names = draw(st.lists(st.sampled_from(sorted(DIMENSIONS)), max_size=4, unique=True))
    filtered = draw(st.lists(st.sampled_from(sorted(DIMENSIONS)), max_size=3, unique=True))
    if "event" in names:
        names = [name for name in names if name != "class"]
        filtered = [name for name in filtered if name != "class"]
    fits = [
        name
        for name, column in COLUMNS.items()
        if column.side == "clicks" or "class" not in {*names, *filtered}
        if column.side == "conversions" or "event" not in names
    ]
    columns = draw(st.lists(st.sampled_from(fits), min_size=1, max_size=5, unique=True))
    sort = draw(st.sampled_from([*names, *fits]))
    return {
        "group_by": ",".join(names),
        "columns": ",".join(columns),
        "sort": draw(st.sampled_from(["", "-"])) + sort,
        "by": draw(st.sampled_from(["click", "conversion"])),
        "from": (TODAY - timedelta(days=draw(st.integers(0, 9)))).isoformat(),
        "to": TODAY.isoformat(),
        "time_zone": draw(st.sampled_from(ZONES)),
        "currency": draw(st.sampled_from(["EUR", "USD", "GBP", "JPY"])),
        **({"compare": "previous"} if draw(st.booleans()) else {}),
        **{name: draw(texts_of(name)) for name in filtered},
    }


@given(parameters=questions())
@settings(max_examples=QUESTIONS, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_question_is_answered_as_the_rows_say(asked: Asked, parameters: dict[str, str]) -> None:
    asked.ask(parameters)


@pytest.mark.parametrize("source", ["1", "2"])
def test_a_partner_is_answered_as_if_only_its_source_existed(asked: Asked, source: str) -> None:
    partner = Viewer(source_id=int(source))
    own = {"columns": "net,uniques,conversions,cr,commission", "group_by": "sub1,link"}
    answer = asked.ask(own, partner)
    assert [shown(row) for row in answer.rows] == [shown(row) for row in asked.ask(own | {"source": source}).rows]
    assert answer.rows
    # Asking for another source finds nothing.
    assert asked.ask(own | {"source": str(3 - int(source))}, partner).rows == []


def test_pages_together_are_the_whole_answer(asked: Asked) -> None:
    for sort in ("-net", "cr", "-cr", "sub1", "-epc"):
        parameters = {"group_by": "sub1,day,link", "columns": "net,cr,epc", "sort": sort}
        whole = asked.ask(parameters)
        found, cursor = [], None
        while True:
            more = {"cursor": cursor} if cursor else {}
            page = asked.usual_store.answer(parse_question({**parameters, "limit": "7", **more}, Viewer(), USUAL))
            found += page.rows
            assert page.head.totals == whole.head.totals
            cursor = page.next_cursor
            if cursor is None:
                break
        assert [shown(row) for row in found] == [shown(row) for row in whole.rows]


@pytest.mark.parametrize(
    ("group_by", "sort"),
    [("link", "-net"), ("referrer,source", "-conversions"), ("link,destination,rule", "-gross"), ("sub1", "-profit")],
)
def test_a_page_that_is_found_in_steps_is_the_same_page(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, group_by: str, sort: str
) -> None:
    found_in_steps = []

    def decides(question: Question, places: Sequence[RowPlace], keys: int) -> bool:
        found_in_steps.append(late_decides(question, places, keys))
        return found_in_steps[-1]

    late_decides = late.decides
    monkeypatch.setattr(late, "_PAGES_MIN", 1)
    monkeypatch.setattr(late, "decides", decides)
    asked_for = {"group_by": group_by, "sort": sort, "limit": "1", "columns": EVERYTHING}
    for more in ({}, {"compare": "previous"}, {"by": "conversion", "link": "!1"}):
        parameters = {**asked_for, **more}
        for _ in range(5):
            question = parse_question(parameters, Viewer(), USUAL)
            answer, expected = asked.in_steps.answer(question), asked.from_rows.answer(question)
            assert [shown(row) for row in answer.rows] == [shown(row) for row in expected.rows]
            assert (answer.head.totals, answer.next_cursor) == (expected.head.totals, expected.next_cursor)
            assert answer.head.previous_totals == expected.head.previous_totals
            if answer.next_cursor is None:
                break
            parameters["cursor"] = answer.next_cursor
    assert any(found_in_steps) or sort == "-profit"


def test_a_stream_has_the_whole_answer_whatever_its_limit(asked: Asked) -> None:
    parameters = {"group_by": "sub1,day,link", "compare": "previous", "sort": "-net"}
    whole = asked.ask(parameters)
    with asked.usual_store.stream(parse_question(parameters | {"limit": "1"}, Viewer(), USUAL)) as stream:
        rows = [row for page, _ in stream.pages for row in page]
    assert [shown(row) for row in rows] == [shown(row) for row in whole.rows]
    assert stream.head.totals == whole.head.totals
