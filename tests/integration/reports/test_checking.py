"""`check` says where roll-ups and rows differ, `--repair` makes them agree, and `rebuild` builds them anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

import psycopg
import pytest

import worker_cases as cases
from report_history import SETTINGS, ZONE, History, begin, prepare
from report_recount import recount, reported
from tracking.reports import GROUPS, clicks_table
from worker.reports.__main__ import main
from worker.reports.checking import check
from worker.reports.rebuilding import rebuild
from worker.runtime import Connection


@pytest.fixture
def history(database_url: str, redis_url: str) -> Iterator[History]:
    """Yield a history in which everything has happened, and everything is folded."""
    with (
        cases.installed(database_url, redis_url) as used,
        psycopg.connect(database_url, autocommit=True) as connection,
    ):
        prepare(used.database.wait())
        made = begin(used, connection, Random(7))
        for step in (*["store"] * 8, "settle", *["postback"] * 12, "decide", "adjust", "erase", "class_again"):
            made.step(step)
        made.fold_all()
        yield made


def differences(history: History, *, repair: bool = False) -> dict[str, int]:
    """Return in how many rows each table differs."""
    found: dict[str, int] = {}
    for _, each in check(history.used.database.run, history.settings, history.used.now_s(), repair=repair):
        found[each.table] = found.get(each.table, 0) + each.rows
    return found


def assert_all_agrees(history: History) -> None:
    assert differences(history) == {}
    state = history.connection.execute("select time_zone, hours_from from report_state").fetchone()
    assert state is not None
    assert reported(history.connection, *state) == recount(history.connection, *state)


def test_what_was_folded_agrees_also_while_more_waits(history: History) -> None:
    assert_all_agrees(history)
    for step in ("store", "postback", "class_again", "settle"):
        history.step(step)
    assert_all_agrees(history)


@pytest.mark.parametrize("level", [0, 1, 64])
def test_a_wrong_roll_up_of_clicks_is_found_and_repaired(history: History, level: int) -> None:
    wrong = history.connection.execute(
        "update report_clicks_link set valid = valid + 5 where (level, block, link_id) in"
        " (select level, block, link_id from report_clicks_link where level = %s order by block desc limit 1)",
        [level],
    ).rowcount
    # A day's row that is wrong makes its larger blocks differ too.
    assert differences(history)["report_clicks_link"] == wrong + (3 * wrong if level == 1 and _is_built(history) else 0)
    differences(history, repair=True)
    assert_all_agrees(history)


def _is_built(history: History) -> bool:
    """Whether the newest day of a link is in larger blocks."""
    row = history.connection.execute(
        "select max(block) < (select built_day from report_state) from report_clicks_link where level = 1"
    ).fetchone()
    return bool(row and row[0])


def test_rows_that_are_missing_or_too_many_are_found_and_repaired(history: History) -> None:
    history.connection.execute("delete from report_clicks_total where level = 1")
    history.connection.execute(
        "insert into report_clicks_sub1 (level, block, source_id, sub1, valid, duplicate, bot, head, prefetch,"
        " datacenter, rate, uniques, cost_micro) select 1, block, 9, 'nobody', 1, 0, 0, 0, 0, 0, 0, 0, 0"
        " from report_clicks_sub1 where level = 1 limit 1"
    )
    assert {"report_clicks_total", "report_clicks_sub1"} <= set(differences(history))
    differences(history, repair=True)
    assert_all_agrees(history)


def test_wrong_facts_of_conversions_are_found_and_folded_again(history: History) -> None:
    history.connection.execute("update report_conversions set revenue_minor = revenue_minor + 1")
    history.connection.execute("update report_events_source set approved = approved + 1 where level = 1")
    assert {"report_conversions", "report_events_source"} <= set(differences(history))
    differences(history, repair=True)
    history.fold_all()
    differences(history, repair=True)
    assert_all_agrees(history)


def test_the_command_says_what_differs_and_exits_with_1(
    history: History,
    database_url: str,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in (("DATABASE_URL", database_url), ("REPORT_TIME_ZONE", ZONE)):
        monkeypatch.setenv(name, value)
    assert main(["check"]) == 0
    history.connection.execute("update report_clicks_total set bot = bot + 1 where level = 1")
    assert main(["check"]) == 1
    assert "report_clicks_total differs in" in capsys.readouterr().out
    assert main(["check", "--repair"]) == 0
    assert main(["check"]) == 0
    assert main(["check", "everything"]) == 2


def test_a_rebuild_takes_the_zone_of_the_setting_and_is_right_at_once(history: History) -> None:
    history.settings = replace(SETTINGS, time_zone="America/New_York")
    assert rebuild(history.used.database.run, history.settings, history.used.now_s()) == 0
    assert_all_agrees(history)
    history.step("store")
    history.step("class_again")
    history.step("fold_clicks")
    assert_all_agrees(history)
    history.fold_all()
    assert_all_agrees(history)
    assert history.connection.execute("select time_zone from report_state").fetchone() == ("America/New_York",)


def test_a_rebuild_keeps_the_days_whose_clicks_were_dropped(history: History) -> None:
    connection = history.connection
    oldest = connection.execute(
        "select partition_name, ends_at from partitions_of('clicks') order by 2 limit 1"
    ).fetchone()
    assert oldest is not None
    kept = "select coalesce(sum(valid + bot + head), 0) from report_clicks_total where level = 1 and block = %s"
    day = connection.execute("select min(block) from report_clicks_total where level = 1").fetchone()
    assert day is not None
    before = connection.execute(kept, day).fetchone()
    connection.execute(f"alter table clicks detach partition {oldest[0]}")
    connection.execute(
        "insert into retention_drops (class, partition_name, ends_at, dropped_at) values ('clicks', %s, %s, now())",
        oldest,
    )
    assert differences(history) == {}
    assert rebuild(history.used.database.run, history.settings, history.used.now_s()) > day[0]
    history.fold_all()
    assert differences(history) == {}
    assert connection.execute(kept, day).fetchone() == before
    for group in GROUPS:
        row = connection.execute(f"select count(*) from {clicks_table(group)} where level = 64").fetchone()
        assert row != (0,)


def test_a_day_with_too_many_values_is_left_out_at_every_level(history: History) -> None:
    history.settings = replace(SETTINGS, values_max=1)
    for step in ("store", "store", "store"):
        history.step(step)
    history.fold_all()
    gaps = set(history.connection.execute("select grp, day from report_gaps").fetchall())
    assert gaps
    assert {group for group, _ in gaps} <= {group.name for group in GROUPS if group.limited}
    for group, day in gaps:
        there = f"select count(*) from report_clicks_{group} where level = 1 and block = %s"
        assert history.connection.execute(there, [day]).fetchone() == (0,)
    assert_all_agrees(history)


def test_a_conversion_keeps_what_is_known_of_a_dropped_click(history: History) -> None:
    connection: Connection = history.connection
    facts = (
        "select conversion_id, currency, country, browser, sub1, source_id from report_conversion_rows order by 1, 2"
    )
    before = connection.execute(facts).fetchall()
    assert before
    connection.execute("delete from clicks")
    connection.execute("insert into report_conversion_queue (conversion_id) select conversion_id from conversions")
    assert connection.execute(facts).fetchall() == before
    history.fold_all()
    assert connection.execute(facts).fetchall() == before
