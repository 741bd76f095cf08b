"""Roll-ups and unfolded rows together are the rows, whatever is stored, changed or folded, in any order."""

from __future__ import annotations

import os
from collections.abc import Iterator
from random import Random

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, note, settings
from hypothesis import strategies as st

import worker_cases as cases
from report_history import STEPS, ZONE, History, begin, prepare, rollup_tables
from report_recount import by_days, covered, recount, reported
from worker.runtime import Connection, Resources

# More for a long run, with --timeout 0: WAYPOST_REPORT_HISTORIES=1000.
HISTORIES = int(os.environ.get("WAYPOST_REPORT_HISTORIES", "10"))


@pytest.fixture
def worker(database_url: str, redis_url: str) -> Iterator[Resources]:
    with cases.installed(database_url, redis_url) as used:
        prepare(used.database.wait())
        yield used


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with psycopg.connect(database_url, autocommit=True) as opened:
        yield opened


def assert_report_is_rows(connection: Connection, done: list[str]) -> None:
    state = connection.execute("select hours_from from report_state").fetchone()
    assert state is not None
    kept, expected = reported(connection, ZONE, state[0]), recount(connection, ZONE, state[0])
    assert kept == expected, f"after {done}"


@settings(max_examples=HISTORIES, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(st.sampled_from(STEPS), min_size=4, max_size=18), seed=st.integers(0, 2**32))
# Clicks that change while they wait, and after they were folded.
@example(
    steps=["store", "store", "class_again", "settle", "fold_clicks", "class_again", "fold_clicks", "erase"], seed=3
)
def test_after_every_step_of_any_history_the_report_is_the_rows(
    steps: list[str], seed: int, worker: Resources, connection: Connection
) -> None:
    history = begin(worker, connection, Random(seed))
    note(f"seed {seed}")
    for step in steps:
        history.step(step)
        assert_report_is_rows(connection, history.done)
    history.fold_all()
    assert_report_is_rows(connection, [*history.done, "fold_all"])
    assert_nothing_waits(connection)
    assert_blocks_are_days(history)


def assert_nothing_waits(connection: Connection) -> None:
    for table in ("report_queue", "report_click_changes", "report_conversion_queue"):
        assert connection.execute(f"select count(*) from {table}").fetchone() == (0,)


def assert_blocks_are_days(history: History) -> None:
    """Any period by its signed blocks is the sum of its days."""
    row = history.connection.execute(
        "select min(block), max(block) from report_clicks_total where level = 1"
    ).fetchone()
    first, last = row if row and row[0] is not None else (20_000, 20_010)
    for _ in range(3):
        start, end = sorted(history.random.sample(range(first - 3, last + 4), 2))
        assert covered(history.connection, start, end) == by_days(history.connection, start, end)


def test_every_declared_roll_up_is_a_table(connection: Connection) -> None:
    assert len(rollup_tables(connection)) == 33
