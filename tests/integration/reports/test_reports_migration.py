"""An installation with clicks and conversions has right reports from the migration on, and folds them by and by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

import psycopg
import pytest

import worker_cases as cases
from config.database import migration_files
from report_history import ZONE, History, prepare
from report_recount import recount, reported
from worker.reports.clicks import fold_some_clicks
from worker.runtime import Resources, install

_CONFIGURED = """
    insert into profiles (name, domain, address_storage) values ('p', 'track.example.com', 'whole');
    insert into merchants (name) values ('one'), ('two');
    insert into links (name, profile_id, merchant_id, slug, destination_url)
        values ('a', 1, 1, 'abc', 'https://m.example/'), ('b', 1, 2, 'def', 'https://m.example/');
"""


@pytest.fixture
def before(database_url: str, redis_url: str) -> Iterator[tuple[Resources, psycopg.Connection]]:
    """Yield a worker and a connection in a schema of the release before."""
    used = cases.resources(database_url, redis_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("create schema before")
        for each in (connection, used.database.wait()):
            each.execute("set search_path to before")
        apply(connection, after=False)
        connection.execute(_CONFIGURED)
        prepare(connection)
        install(used)
        yield used, connection
    cases.close(used)


def apply(connection: psycopg.Connection, *, after: bool) -> None:
    """Apply the migrations before roll-ups, or those from there on."""
    for file in migration_files():
        if (file.stem >= "0020") == after:
            with connection.transaction():
                connection.execute(file.read_bytes())


def assert_report_is_rows(history: History) -> None:
    row = history.connection.execute("select hours_from from report_state").fetchone()
    assert row is not None
    expected = recount(history.connection, ZONE, row[0])
    assert reported(history.connection, ZONE, row[0]) == expected
    assert expected["report_clicks_total"]


def test_what_was_stored_before_is_folded_once_beside_what_comes(
    before: tuple[Resources, psycopg.Connection],
) -> None:
    used, connection = before
    history = History(used, connection, Random(5))
    for _ in range(12):
        history.store()
    for _ in range(8):
        history.postback()
    stored = connection.execute("select count(*) from clicks").fetchone()
    apply(connection, after=True)
    assert_report_is_rows(history)
    assert connection.execute("select count(*) from report_unfolded_clicks").fetchone() == stored

    # Late clicks of the same days, of spools with gaps, and changes, between the pieces.
    for step in ("fold_clicks", "class_again", "store", "fold_clicks", "store", "erase", "fold_conversions", "settle"):
        history.step(step)
        assert_report_is_rows(history)
    turn = replace(history.turn(), clicks=5)
    pieces = 0
    while connection.execute("select count(*) from report_queue where spool_id is null").fetchone() == (1,):
        used.database.run(lambda worker: fold_some_clicks(worker, turn))
        pieces += 1
        history.class_again()
        assert_report_is_rows(history)
    assert pieces > 3
    history.fold_all()
    assert_report_is_rows(history)
    for table in ("report_queue", "report_marks", "report_click_changes", "report_recent"):
        assert connection.execute(f"select count(*) from {table}").fetchone() == (0,)
