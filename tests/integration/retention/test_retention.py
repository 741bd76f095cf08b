"""What is older than its class is kept is dropped by partition, and nothing else; storing goes on meanwhile."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

import worker_cases as cases
from config.settings import default_retention
from tracking.clicks import first_click_id
from tracking.privacy import RetentionClass
from waiting import wait_until
from worker import clicks, postbacks
from worker.conversions import load_context
from worker.retention import drop_old, make_months
from worker.retention import partitions as partitions_module
from worker.retention.months import months_ahead
from worker.runtime import Resources, install

NOW = datetime.now(UTC)


@pytest.fixture
def used(database_url: str, redis_url: str) -> Iterator[Resources]:
    with cases.installed(database_url, redis_url) as resources:
        yield resources


def kept_for(used: Resources, **days: int) -> None:
    """Let tasks use these days; every other class is kept for ever."""
    kept = dict.fromkeys(RetentionClass, 0) | {RetentionClass(name): number for name, number in days.items()}
    install(dataclasses.replace(used, retention=kept))


def click_of(days_ago: float) -> str:
    at_ms = int((NOW - timedelta(days=days_ago)).timestamp() * 1000)
    made = cases.click(click_id=cases.mint_at(at_ms), at_ms=at_ms)
    return made.click_id if store_click(made) else ""


_stored = iter(range(10**6))


def store_click(made: Any) -> bool:
    clicks.store_batch(cases.SPOOL, next(_stored), cases.payloads([made]))
    return True


_sent = iter(range(10**6))


def send(click_id: str, **changes: Any) -> None:
    postbacks.store_batch(
        cases.POSTBACK_SPOOL, next(_sent), cases.postback_payloads([cases.postback(click_id, **changes)])
    )


def partitions(database_url: str, table: str) -> list[str]:
    return [
        row[0] for row in cases.rows(database_url, "select partition_name from partitions_of(%s) order by 1", table)
    ]


def outcomes(database_url: str) -> list[tuple[Any, ...]]:
    return cases.rows(database_url, "select outcome, reason from postbacks order by received_at, spool_number")


def test_a_day_of_clicks_is_dropped_when_all_of_it_is_old(used: Resources, database_url: str) -> None:
    old, edge, young = (click_of(days) for days in (40, 30, 29))
    kept_for(used, clicks=30)
    drop_old()
    left = {str(row[0]) for row in cases.rows(database_url, "select click_id from clicks")}
    assert old not in left
    # Its day ended less than thirty days ago.
    assert {edge, young} <= left
    ((dropped, rows, is_dropped),) = cases.rows(
        database_url, "select partition_name, rows, dropped_at is not null from retention_drops"
    )
    assert (dropped, rows, is_dropped) == (f"clicks_{NOW - timedelta(days=40):%Y%m%d}", 1, True)
    # The counts by day, and so the ledger, keep what was stored.
    assert cases.rows(database_url, "select sum(clicks)::int from click_days") == [(3,)]
    drop_old()
    assert len(cases.rows(database_url, "select 1 from retention_drops")) == 1


def test_nothing_is_dropped_that_is_kept_for_ever(used: Resources, database_url: str) -> None:
    click_of(399)
    kept_for(used)
    drop_old()
    assert len(cases.rows(database_url, "select 1 from clicks")) == 1
    assert default_retention()[RetentionClass.CLICKS] == 0


def test_what_was_there_before_the_months_is_dropped_as_one(used: Resources, database_url: str) -> None:
    fill = (
        "insert into postback_nonces select 1, 'n' || number, gen_random_uuid(), now() - make_interval(days => number)"
        " from generate_series(1, 50) as number"
    )
    cases.rows(database_url, f"{fill} returning 1")
    kept_for(used, nonces=30)
    drop_old()
    # The month of the newest has not ended.
    assert len(cases.rows(database_url, "select 1 from postback_nonces")) == 50
    # As if it had ended 31 days ago.
    ended = f"{NOW - timedelta(days=31):%Y-%m-%d %H:%M:%S}+00"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("alter table postback_nonces detach partition postback_nonces_old")
        connection.execute(f"delete from postback_nonces_old where received_at >= '{ended}'")
        connection.execute(
            "alter table postback_nonces attach partition postback_nonces_old for values from (minvalue)"
            f" to ('{ended}')"
        )
    drop_old()
    assert cases.rows(database_url, "select 1 from postback_nonces") == []
    assert "postback_nonces_old" not in partitions(database_url, "postback_nonces")


@pytest.mark.parametrize("step", ["decided", "detaching", "detached"])
def test_a_drop_that_was_killed_in_between_is_finished(step: str, used: Resources, database_url: str) -> None:
    click_of(40)
    name = f"clicks_{NOW - timedelta(days=40):%Y%m%d}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "insert into retention_drops (class, partition_name, begins_at, ends_at)"
            " select 'clicks', partition_name, begins_at, ends_at from partitions_of('clicks')"
            " where partition_name = %s",
            [name],
        )
        if step == "detaching":
            interrupt_detach(database_url, connection, name)
        elif step == "detached":
            connection.execute(f"alter table clicks detach partition {name} concurrently")
    kept_for(used, clicks=30)
    drop_old()
    assert cases.rows(database_url, "select to_regclass(%s)", name) == [(None,)]
    assert cases.rows(database_url, "select rows::int, dropped_at is not null from retention_drops") == [(1, True)]


def interrupt_detach(database_url: str, connection: psycopg.Connection, name: str) -> None:
    """Leave a detach half done: a reader that began before it keeps it waiting until it is cancelled."""
    with psycopg.connect(database_url) as reader:
        reader.execute("select count(*) from clicks")
        connection.execute("set statement_timeout = '300ms'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute(f"alter table clicks detach partition {name} concurrently")
        connection.execute("reset statement_timeout")
    query = "select detaching from partitions_of('clicks') where partition_name = %s"
    assert connection.execute(query, [name]).fetchall() == [(True,)]


def test_a_partition_that_takes_too_long_to_count_is_dropped_all_the_same(
    used: Resources, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    click_of(40)
    name = f"clicks_{NOW - timedelta(days=40):%Y%m%d}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"analyze {name}")
    monkeypatch.setattr(partitions_module, "COUNT_TIMEOUT_MS", 1)
    monkeypatch.setattr(
        partitions_module, "_COUNT", "select count(*) + coalesce(sum(length(pg_sleep(1)::text)), 0) from {}"
    )
    kept_for(used, clicks=30)
    drop_old()
    assert cases.rows(database_url, "select to_regclass(%s)", name) == [(None,)]
    assert cases.rows(database_url, "select rows::int, dropped_at is not null from retention_drops") == [(1, True)]
    assert used.database.run(lambda connection: connection.execute("show statement_timeout").fetchone()) == ("1min",)


def test_a_table_that_an_operator_detached_is_never_dropped(used: Resources, database_url: str) -> None:
    click_of(40)
    name = f"clicks_{NOW - timedelta(days=40):%Y%m%d}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"alter table clicks detach partition {name}")
    kept_for(used, clicks=30)
    drop_old()
    assert cases.rows(database_url, f"select count(*)::int from {name}") == [(1,)]


def test_clicks_are_stored_while_partitions_are_dropped_and_a_report_is_read(
    used: Resources, database_url: str, redis_url: str
) -> None:
    """A long report holds the drop up; storing waits for neither."""
    for days in (60, 50, 40):
        click_of(days)
    kept_for(used, clicks=30)
    mine = cases.resources(database_url, redis_url)
    with psycopg.connect(database_url) as report:
        report.execute("select count(*) from clicks")
        retention = threading.Thread(target=drop_old)
        retention.start()
        waiting = "select 1 from retention_drops"
        wait_until(lambda: cases.rows(database_url, waiting), 10, "the first drop to be decided")
        other = "7-9-3fa9c1d2-clicks"
        install(mine)
        for number in range(3):
            clicks.store_batch(other, number, cases.payloads([cases.click()]))
        assert retention.is_alive()
        stored = "select count(*) from clicks where spool_id = %s"
        assert cases.rows(database_url, stored, other) == [(3,)]
    retention.join(60)
    cases.close(mine)
    assert len(cases.rows(database_url, "select 1 from retention_drops where dropped_at is not null")) == 3


def test_a_click_that_comes_for_a_dropped_day_is_stored_and_goes_with_the_next_run(
    used: Resources, database_url: str
) -> None:
    click_of(40)
    kept_for(used, clicks=30)
    drop_old()
    late = click_of(40)
    assert cases.rows(database_url, "select click_id::text from clicks") == [(late,)]
    drop_old()
    assert cases.rows(database_url, "select 1 from clicks") == []
    assert cases.rows(database_url, "select sum(clicks)::int from click_days") == [(2,)]


def test_a_postback_of_a_dropped_click_says_so_and_a_chargeback_still_counts(
    used: Resources, database_url: str
) -> None:
    converted, silent = click_of(40), click_of(40.01)
    early = int((NOW - timedelta(days=39)).timestamp() * 1000)
    send(converted, at_ms=early)
    kept_for(used, clicks=30)
    drop_old()
    assert cases.rows(database_url, "select 1 from clicks") == []
    send(silent)
    send(converted, fields={"status": "reversed"})
    send(converted, fields={"event": "deposit", "order_id": "D-1"})
    assert outcomes(database_url) == [
        ("recorded", None),
        ("refused", "click-dropped"),
        ("transition", None),
        ("recorded", "click-expired"),
    ]
    assert cases.rows(database_url, "select event, status from conversions order by event") == [
        ("deposit", "rejected"),
        ("ftd", "reversed"),
    ]


def test_a_postback_that_waits_for_a_click_of_a_dropped_time_is_decided(used: Resources, database_url: str) -> None:
    click_of(40)
    never_stored = cases.mint_at(int((NOW - timedelta(days=40)).timestamp() * 1000), generation=9)
    send(never_stored)
    assert outcomes(database_url) == [("parked", "click-not-stored-yet")]
    kept_for(used, clicks=30)
    drop_old()
    assert postbacks.sweep(used, None) == 1
    assert outcomes(database_url) == [("refused", "click-dropped")]


def test_a_postback_of_a_month_without_a_partition_gets_one(used: Resources, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        for table in ("postbacks", "postback_nonces"):
            connection.execute(f"drop table {table}_old")
    click_id = click_of(70)
    received_at = NOW - timedelta(days=69)
    for number in range(2):
        send(click_id, at_ms=int(received_at.timestamp() * 1000) + number, nonce=f"n-{number}")
        assert f"postbacks_{received_at:%Y%m}" in partitions(database_url, "postbacks")
        with psycopg.connect(database_url, autocommit=True) as connection:
            # A process that knows the partition finds out that it is gone.
            connection.execute(f"drop table postbacks_{received_at:%Y%m}")
    progress = "select sum(stored)::int, sum(poisoned)::int from spool_progress where spool_id = %s"
    assert cases.rows(database_url, progress, cases.POSTBACK_SPOOL) == [(2, 0)]


def test_one_nonce_is_used_once_across_months(used: Resources, database_url: str) -> None:
    click_id = click_of(70)
    for days in (69, 2):
        at_ms = int((NOW - timedelta(days=days)).timestamp() * 1000)
        send(click_id, at_ms=at_ms, nonce="the same", fields={"order_id": f"O-{days}"})
    assert [reason for _, reason in outcomes(database_url)] == [None, "replayed"]


def test_resolved_issues_and_other_small_tables_are_deleted_in_parts(
    used: Resources, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.retention.leftovers.DELETED_TOGETHER", 2)
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "insert into issues (kind, subject_key, title, state, resolved_at)"
            " select 'rates-stale', 's' || days, 't', 'resolved', now() - make_interval(days => days)"
            " from generate_series(1, 20) as days"
        )
        connection.execute(
            "insert into issues (kind, subject_key, title, opened_at) values ('rates-stale', 'o', 't', '2020-01-01')"
        )
        connection.execute(
            "insert into poison_records select 's', days, '', 'bad', now() - make_interval(days => days, secs => 1)"
            " from generate_series(0, 9) as days"
        )
        connection.execute(
            "insert into replays (filter, dry, state, finished_at, updated_at)"
            " select '{}', true, 'done', moment, moment from unnest(array[now(), '2020-01-01'::timestamptz]) as moment"
        )
        connection.execute(
            "insert into reconciliations (merchant_id, first_day, last_day, time_zone, begins_at, ends_at, file_bytes,"
            " file_sha256, rules, created_at) select 1, '2026-01-01', '2026-01-01', 'UTC', '2026-01-01', '2026-01-02',"
            " 1, repeat('0', 64), '{}', moment from unnest(array[now(), '2020-01-01'::timestamptz]) as moment"
        )
    kept_for(used, issues=10, poison=5, judgements=30, reconciliations=30)
    drop_old()
    counted = {
        table: cases.rows(database_url, f"select count(*)::int from {table}")[0][0]
        for table in ("issues", "poison_records", "replays", "reconciliations")
    }
    assert counted == {"issues": 10, "poison_records": 5, "replays": 1, "reconciliations": 1}


def test_months_are_made_ahead(used: Resources, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        for name in partitions(database_url, "deliveries"):
            connection.execute(f"drop table {name}")
    make_months()
    months = months_ahead(NOW.date(), 3)
    assert partitions(database_url, "deliveries") == [f"deliveries_{month:%Y%m}" for month in months]
    made = used.tally.total["partitions"]
    make_months()
    assert used.tally.total["partitions"] == made


def test_the_context_knows_what_was_dropped(used: Resources, database_url: str) -> None:
    click_of(40)
    context = used.database.run(lambda connection: load_context(connection, lambda _: ""))
    assert not context.is_dropped(first_click_id(NOW - timedelta(days=400)))
    kept_for(used, clicks=30)
    drop_old()
    context = used.database.run(lambda connection: load_context(connection, lambda _: ""))
    assert context.is_dropped(first_click_id(NOW - timedelta(days=41)))
    assert not context.is_dropped(UUID(cases.click().click_id))
