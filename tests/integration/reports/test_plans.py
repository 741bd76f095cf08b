"""What is not folded is read from its own table and, in clicks, by the primary key of the days that it is of."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

import psycopg
import pytest

import worker_cases as cases
from report_history import begin, prepare
from tracking.clicks import first_click_id
from worker.clicks import store_batch
from worker.clicks.partitions import ensure_partitions
from worker.runtime import Connection, Resources

DAYS = 30


@pytest.fixture
def worker(database_url: str, redis_url: str) -> Iterator[Resources]:
    """Yield a worker of a database with a month of partitions and three batches, of three days, that are not folded."""
    with (
        cases.installed(database_url, redis_url) as used,
        psycopg.connect(database_url, autocommit=True) as connection,
    ):
        prepare(used.database.wait())
        begin(used, connection, Random(1))
        today = used.now_ms() // 86_400_000
        ensure_partitions(connection, set(), range(today - DAYS, today + 1))
        for number, age in enumerate((0, 3, 20)):
            at_ms = used.now_ms() - age * 86_400_000
            clicks = [cases.click(click_id=cases.mint_at(at_ms + n), at_ms=at_ms + n) for n in range(200)]
            store_batch(cases.SPOOL, number * 200, cases.payloads(clicks))
        connection.execute("analyze")
        yield used


def lines_of(connection: Connection, query: str) -> list[str]:
    """Run a query and return the lines of its plan without those of steps that were never run."""
    rows = connection.execute(f"explain (analyze, costs off, timing off, summary off) {query}").fetchall()
    return [row[0] for row in rows if "never executed" not in row[0]]


def test_a_report_opens_no_partition_for_batches_that_are_not_folded(worker: Resources) -> None:
    lines = lines_of(worker.database.wait(), "select report_sum(valid) from report_unfolded_clicks")
    assert any("report_recent" in line for line in lines)
    assert [line for line in lines if " on clicks_2" in line] == []


def test_clicks_of_before_roll_ups_are_read_from_the_days_that_remain(worker: Resources) -> None:
    connection = worker.database.wait()
    connection.execute("insert into report_marks select spool_id, spool_numbers(done, ahead) from spool_progress")
    low = first_click_id(datetime.now(UTC) - timedelta(days=4))
    connection.execute(
        "insert into report_queue (low, high) values (%s, 'ffffffff-ffff-ffff-ffff-ffffffffffff')", [low]
    )
    lines = lines_of(connection, "select report_sum(valid) from report_unfolded_clicks")
    opened = {line.split(" on clicks_")[1][:8] for line in lines if " on clicks_2" in line}
    assert opened
    assert min(opened) >= (datetime.now(UTC) - timedelta(days=4)).strftime("%Y%m%d")


def test_noting_a_batch_opens_only_its_own_day(worker: Resources) -> None:
    connection = worker.database.wait()
    row = connection.execute("select min(low::text), max(high::text) from report_queue where first = 0").fetchone()
    assert row is not None
    # As the trigger reads the batch.
    noted = "select c.link_id from clicks c where c.click_id >= %s and c.click_id <= %s and c.spool_id = %s"
    rows = connection.execute(f"explain (costs off) {noted}", [*row, cases.SPOOL], prepare=False).fetchall()
    assert len([line for (line,) in rows if " on clicks_2" in line]) == 1
