"""Every answer is what the rows say, counted one by one, from roll-ups and from partitions alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import psycopg
import pytest

import worker_cases as cases
from admin_api.reports import COLUMNS, Answer, PostgresReports, Question, Usual, Viewer, parse_question
from admin_api.reports.planner import Grain, Plan
from admin_api.runtime import open_pool
from database_copies import DatabaseCopies
from report_answers import World, read_world
from report_history import ZONE, History, begin, prepare
from tracking.reports import DIMENSIONS

NOW = datetime.now(UTC)
USUAL = Usual(ZONE, "EUR", "EUR", NOW)
EVERYTHING = ",".join(COLUMNS)
OF_CLICKS = "gross,net,uniques,bot,duplicate,head"
QUESTIONS = 120


@dataclass
class Asked:
    """A world, and stores that answer from roll-ups where they can, and from partitions alone."""

    world: World
    usual_store: PostgresReports
    from_rows: PostgresReports
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
def asked(database_copies: DatabaseCopies, redis_server: str) -> Iterator[Asked]:
    """Yield a world whose clicks and conversions are partly folded, with rates that have a hole."""
    module_database_url = database_copies.make()
    with (
        cases.installed(module_database_url, redis_server) as used,
        psycopg.connect(module_database_url, autocommit=True) as connection,
        closing(open_pool(module_database_url, 2)) as pool,
    ):
        prepare(used.database.wait())
        history = begin(used, connection, Random(11))
        for step in (*["store"] * 14, "settle", *["postback"] * 40, "decide", "adjust", "adjust", "class_again"):
            history.step(step)
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
            history,
        )
    database_copies.drop(module_database_url)


@pytest.mark.parametrize("dimension", [name for name in DIMENSIONS if name not in ("class", "event")])
@pytest.mark.parametrize("by", ["click", "conversion"])
def test_each_dimension_is_counted_as_the_rows_say(asked: Asked, dimension: str, by: str) -> None:
    answer = asked.ask({"group_by": dimension, "columns": EVERYTHING, "by": by})
    assert answer.rows
