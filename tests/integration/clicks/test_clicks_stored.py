"""Batches of clicks are stored exactly once in a real PostgreSQL, however they come; no bad record stops a good one."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from time import time

import orjson
import psycopg
import pytest
from redis import Redis

import worker_cases as cases
from config.configuration import PROGRESS_KEY
from tracking.clicks import ClickIdMint, ProcessIdentity
from tracking.runtime import BATCH_RECORDS_MAX
from tracking.spool import Progress, decode_progress, encode_click
from waiting import wait_until
from worker.clicks import ensure_partitions, store_batch
from worker.runtime import Database, KeysDifferError, PermanentError, Resources, RetryableError, resources

DAY_MS = 86_400_000


@pytest.fixture
def used(database_url: str, redis_url: str) -> Iterator[Resources]:
    with cases.installed(database_url, redis_url) as used:
        yield used


def state(database_url: str) -> dict[str, int]:
    """Return what the database says of the one spool, and check that the day counts are those of the rows."""
    days = cases.rows(database_url, "select day, link_id, class, clicks from click_days order by 1, 2, 3")
    counted = cases.rows(
        database_url,
        "select (clicked_at at time zone 'UTC')::date, link_id, class, count(*) from clicks group by 1, 2, 3"
        " order by 1, 2, 3",
    )
    assert days == counted
    done, ahead, stored, duplicates, poisoned, missing = cases.rows(
        database_url, "select done, ahead, stored, duplicates, poisoned, missing from spool_progress"
    )[0]
    poison = cases.rows(database_url, "select count(*) from poison_records")[0][0]
    assert poison == poisoned
    assert sum(count for *_, count in days) == stored
    assert stored + duplicates + poisoned + missing == done + sum(high - low for low, high in ahead)
    return {"done": done, "stored": stored, "duplicates": duplicates, "poisoned": poisoned, "missing": missing}


def ids(database_url: str) -> set[str]:
    return {str(row[0]) for row in cases.rows(database_url, "select click_id from clicks")}


def published(redis_url: str) -> Progress:
    with Redis.from_url(redis_url) as redis:
        data = redis.hget(PROGRESS_KEY, cases.SPOOL)
        assert isinstance(data, bytes)
        return decode_progress(data)


@pytest.mark.usefixtures("used")
def test_a_click_is_stored_as_it_was_answered(database_url: str) -> None:
    made = cases.click(
        query="sub1=one&aff=%C3%A9&z=%00",
        sub_defaults=[None, "two"],
        user_agent="caf\xc3\xa9\x00\\\t\n",
        ip="2001:db8::1",
    )
    store_batch(cases.SPOOL, 0, cases.payloads([made]))
    (row,) = cases.rows(
        database_url,
        "select click_id::text, (extract(epoch from clicked_at) * 1000)::bigint, link_id, profile_id, config_version,"
        " class, method, host, slug, query, parameters, sub1, sub2, sub3, ip::text, user_agent, referrer,"
        " accept_language, location, spool_id, spool_number from clicks",
    )
    assert row == (
        *(made.click_id, made.at_ms, 1, 1, 3, "valid", "GET", made.host, "abc", made.query),
        *({"sub1": "one", "aff": "é", "z": "\ufffd"}, "one", "two", None, "2001:db8::1/128", "café\ufffd\\\t\n"),
        *(made.referrer, "en", made.location, cases.SPOOL, 0),
    )


@pytest.mark.usefixtures("used")
def test_the_same_batch_twice_changes_nothing_twice(database_url: str, redis_url: str) -> None:
    batch = cases.payloads([cases.click() for _ in range(50)])
    store_batch(cases.SPOOL, 0, batch)
    before = state(database_url)
    # As after a kill between commit and publication: Redis does not know, the database does.
    with Redis.from_url(redis_url) as redis:
        redis.delete(PROGRESS_KEY)
    store_batch(cases.SPOOL, 0, batch)
    assert state(database_url) == before == {"done": 50, "stored": 50, "duplicates": 0, "poisoned": 0, "missing": 0}
    assert published(redis_url) == Progress(50)


@pytest.mark.usefixtures("used")
def test_overlapping_batches_out_of_order_store_each_record_once(database_url: str, redis_url: str) -> None:
    clicks = [cases.click(link_id=1 + number % 3) for number in range(100)]
    batch = cases.payloads(clicks)
    for first, end in ((60, 80), (20, 70), (90, 100), (0, 30), (75, 95), (0, 100)):
        store_batch(cases.SPOOL, first, batch[first:end])
    assert state(database_url)["stored"] == 100
    assert ids(database_url) == {click.click_id for click in clicks}
    assert published(redis_url) == Progress(100)


@pytest.mark.usefixtures("used")
def test_what_is_stored_ahead_is_published_as_such(redis_url: str) -> None:
    store_batch(cases.SPOOL, 10, cases.payloads([cases.click()]))
    assert published(redis_url) == Progress(0, ((10, 11),))


@pytest.mark.usefixtures("used")
def test_missing_records_are_counted_once(database_url: str) -> None:
    batch = cases.payloads([cases.click() for _ in range(3)])
    store_batch(cases.SPOOL, 0, batch, 7)
    store_batch(cases.SPOOL, 0, batch, 7)
    store_batch(cases.SPOOL, 5, [], 10)
    assert state(database_url) == {"done": 15, "stored": 3, "duplicates": 0, "poisoned": 0, "missing": 12}


@pytest.mark.usefixtures("used")
def test_an_id_twice_in_a_batch_and_in_another_spool_is_one_click(database_url: str) -> None:
    one, two, three = cases.click(), cases.click(), cases.click()
    store_batch(cases.SPOOL, 0, cases.payloads([one, two, one]))
    assert state(database_url) == {"done": 3, "stored": 2, "duplicates": 1, "poisoned": 0, "missing": 0}
    store_batch("8-0-3fa9c1d2-clicks", 0, cases.payloads([three, two]))
    assert cases.rows(database_url, "select sum(stored), sum(duplicates) from spool_progress") == [(3, 2)]
    assert cases.rows(database_url, "select sum(clicks) from click_days") == [(3,)]


@pytest.mark.usefixtures("used")
def test_poison_is_set_apart_with_its_reason_and_the_rest_of_its_batch_is_stored(database_url: str) -> None:
    good = [cases.click() for _ in range(5)]
    bad = [
        "nonsense \x00 \ufffd",
        orjson.dumps([99, "x"]).decode(),
        encode_click(cases.click(ip="nowhere")).decode(),
        encode_click(cases.click(click_id="01900000-0000-7000-8000-000000000000")).decode(),
        encode_click(cases.click(at_ms=253_402_300_799_999)).decode(),
    ]
    mixed = [payload for pair in zip(cases.payloads(good), bad, strict=True) for payload in pair]
    for _ in range(2):
        store_batch(cases.SPOOL, 0, mixed)
    assert state(database_url) == {"done": 10, "stored": 5, "duplicates": 0, "poisoned": 5, "missing": 0}
    kept = cases.rows(
        database_url, "select spool_number, split_part(reason, ':', 1), payload from poison_records order by 1"
    )
    assert [row[:2] for row in kept] == [
        (1, "bad-record"),
        (3, "bad-record"),
        (5, "bad-ip"),
        (7, "forged-click-id"),
        (9, "date-out-of-range"),
    ]
    assert [row[2] for row in kept] == ["nonsense \ufffd \ufffd", *bad[1:]]


@pytest.mark.usefixtures("used")
def test_a_batch_made_with_other_keys_is_left_for_later_not_set_aside(database_url: str) -> None:
    other = ClickIdMint([b"o" * 16], ProcessIdentity(7, 2, 0))
    payloads = cases.payloads([cases.click(click_id=other.mint()[0]) for _ in range(3)])
    with pytest.raises(KeysDifferError, match="CLICK_ID_KEYS"):
        store_batch(cases.SPOOL, 0, payloads)
    assert cases.rows(database_url, "select count(*) from poison_records") == [(0,)]
    assert cases.rows(database_url, "select count(*) from spool_progress") == [(0,)]


def refuse(database_url: str, condition: str, sqlstate: str = "P0001") -> None:
    """Make PostgreSQL refuse some clicks for a reason that no check of ours foresaw."""
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "create function refuse() returns trigger language plpgsql as $$ begin"
            f" raise exception 'unforeseen' using errcode = '{sqlstate}'; end $$"
        )
        connection.execute(
            f"create trigger refuse before insert on clicks for each row when ({condition}) execute function refuse()"
        )


@pytest.mark.usefixtures("used")
def test_records_that_postgresql_refuses_are_found_and_set_apart(database_url: str) -> None:
    refuse(database_url, "new.slug like 'bad%'")
    clicks = [cases.click(slug="bad" if number in {0, 41, 42, 99} else "good") for number in range(100)]
    store_batch(cases.SPOOL, 0, cases.payloads(clicks))
    assert state(database_url) == {"done": 100, "stored": 96, "duplicates": 0, "poisoned": 4, "missing": 0}
    numbers = cases.rows(database_url, "select spool_number from poison_records order by 1")
    assert [number for (number,) in numbers] == [0, 41, 42, 99]


@pytest.mark.usefixtures("used")
def test_culprits_and_duplicates_in_one_batch_are_told_apart(database_url: str) -> None:
    refuse(database_url, "new.slug like 'bad%'")
    twin = cases.click()
    batch = [twin, cases.click(slug="bad"), twin, cases.click(), cases.click(slug="bad2")]
    store_batch(cases.SPOOL, 0, cases.payloads(batch))
    assert state(database_url) == {"done": 5, "stored": 2, "duplicates": 1, "poisoned": 2, "missing": 0}


@pytest.mark.usefixtures("used")
def test_when_every_record_is_refused_it_is_the_database_and_nothing_becomes_poison(database_url: str) -> None:
    refuse(database_url, "true")
    with pytest.raises(psycopg.errors.RaiseException):
        store_batch(cases.SPOOL, 0, cases.payloads([cases.click() for _ in range(3)]))
    assert cases.rows(database_url, "select count(*) from poison_records") == [(0,)]
    assert cases.rows(database_url, "select count(*) from spool_progress") == [(0,)]


@pytest.mark.usefixtures("used")
def test_a_lone_record_refused_for_its_value_is_poison(database_url: str) -> None:
    refuse(database_url, "true", "22000")
    store_batch(cases.SPOOL, 0, cases.payloads([cases.click()]))
    assert state(database_url)["poisoned"] == 1


@pytest.mark.usefixtures("used")
def test_clicks_days_late_or_early_get_their_partition(database_url: str) -> None:
    now_ms = int(time() * 1000)
    moments = [now_ms + offset * DAY_MS for offset in (-399, -30, -1, 0, 1, 40)]
    clicks = [cases.click(click_id=cases.mint_at(at_ms), at_ms=at_ms) for at_ms in moments]
    store_batch(cases.SPOOL, 0, cases.payloads(clicks))
    assert state(database_url)["stored"] == len(moments)


@pytest.mark.usefixtures("used")
def test_a_partition_that_is_dropped_behind_our_back_is_made_again(database_url: str) -> None:
    store_batch(cases.SPOOL, 0, cases.payloads([cases.click()]))
    (partition,) = cases.rows(database_url, "select tableoid::regclass::text from clicks")[0]
    with psycopg.connect(database_url) as connection:
        connection.execute(f"drop table {partition}")
    store_batch(cases.SPOOL, 1, cases.payloads([cases.click()]))
    assert cases.rows(database_url, "select count(*) from clicks") == [(1,)]
    assert cases.rows(database_url, "select count(*) from poison_records") == [(0,)]


def test_processes_that_need_the_same_new_partition_at_once_make_it_once(database_url: str, redis_url: str) -> None:
    all_here = Barrier(8)

    def make(_: int) -> int:
        own = cases.resources(database_url, redis_url)
        own.database.wait()
        made = 0
        for day in range(20_000, 20_010):
            all_here.wait(20)
            made += own.database.run(
                lambda connection, day=day: ensure_partitions(connection, own.known_partitions, [day])
            )  # type: ignore[misc]
        cases.close(own)
        return made

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(make, range(8))) == 10


@pytest.mark.usefixtures("used")
def test_making_a_partition_waits_for_no_reader(database_url: str) -> None:
    with psycopg.connect(database_url) as reader:
        reader.execute("select count(*) from clicks")
        store_batch(cases.SPOOL, 0, cases.payloads([cases.click()]))
    assert state(database_url)["stored"] == 1


def test_processes_with_batches_of_one_spool_at_once_store_each_record_once(
    database_url: str, redis_url: str, used: Resources
) -> None:
    clicks = [cases.click(link_id=1 + number % 7) for number in range(300)]
    batch = cases.payloads(clicks)
    spans = [(at, at + 60) for at in range(0, 250, 20)] * 2

    def store(span: tuple[int, int]) -> None:
        # Its own connection each, as processes have; the module's resources are one a process.
        own = cases.resources(database_url, redis_url)
        _store_with(own, cases.SPOOL, span[0], batch[span[0] : span[1]])
        cases.close(own)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(store, spans))
    assert state(database_url) == {"done": 300, "stored": 300, "duplicates": 0, "poisoned": 0, "missing": 0}
    assert deadlocks(database_url) == 0


@pytest.mark.usefixtures("used")
def test_a_batch_waits_for_another_of_its_spool_only_when_its_rows_are_in(database_url: str) -> None:
    batch = cases.payloads([cases.click() for _ in range(20)])
    store_batch(cases.SPOOL, 0, batch[:10])
    with psycopg.connect(database_url) as other, ThreadPoolExecutor(1) as pool:
        other.execute("select from spool_progress for update")
        running = pool.submit(store_batch, cases.SPOOL, 10, batch[10:])
        waiting = (
            "select count(*) filter (where relation::regclass::text like 'clicks_2%%' and mode = 'RowExclusiveLock')"
            " from pg_locks join pg_stat_activity using (pid)"
            " where datname = current_database() and wait_event_type = 'Lock' and query like '%%spool_progress%%'"
            " having count(*) > 0"
        )
        ((partitions,),) = wait_until(lambda: cases.rows(database_url, waiting), what="the batch to wait")
        assert partitions == 1
        other.rollback()
        running.result(30)
    assert state(database_url)["stored"] == 20


@pytest.mark.parametrize("refused", [False, True])
def test_a_batch_that_comes_twice_at_once_is_stored_once(
    database_url: str, redis_url: str, used: Resources, refused: bool
) -> None:
    if refused:
        refuse(database_url, "new.slug = 'bad'")
    batch = cases.payloads([cases.click(slug="bad" if number == 7 else "good") for number in range(50)])
    batch[3] = "nonsense"
    all_here = Barrier(4)

    def store(_: int) -> None:
        own = cases.resources(database_url, redis_url)
        own.database.wait()
        all_here.wait(20)
        _store_with(own, cases.SPOOL, 0, batch)
        cases.close(own)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(store, range(4)))
    poisoned = 1 + refused
    expected = {"done": 50, "stored": 50 - poisoned, "duplicates": 0, "poisoned": poisoned, "missing": 0}
    assert state(database_url) == expected
    assert deadlocks(database_url) == 0


def test_spools_that_count_the_same_links_at_once_do_not_deadlock(
    database_url: str, redis_url: str, used: Resources
) -> None:
    def store(slot: int) -> None:
        own = cases.resources(database_url, redis_url)
        for first in range(0, 100, 20):
            order = range(20) if slot % 2 else range(19, -1, -1)
            clicks = [cases.click(click_id=ids_of[slot][first + link], link_id=1 + link) for link in order]
            _store_with(own, f"7-{slot}-3fa9c1d2-clicks", first, cases.payloads(clicks))
        cases.close(own)

    ids_of = [[cases.click().click_id for _ in range(100)] for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(store, range(4)))
    assert cases.rows(database_url, "select sum(clicks), count(*) from click_days") == [(400, 20)]
    assert deadlocks(database_url) == 0


def deadlocks(database_url: str) -> int:
    """Return how often PostgreSQL had to end a transaction that waited in a ring."""
    ((count,),) = cases.rows(database_url, "select deadlocks from pg_stat_database where datname = current_database()")
    return int(count)


def _store_with(own: Resources, spool_id: str, first: int, payloads: list[str]) -> None:
    """Run the task's steps with resources of this thread."""
    from tracking.spool import Batch
    from worker.clicks.task import _store, parse_clicks, visitors_of
    from worker.spool import Rules

    batch = Batch(spool_id, first, payloads)
    parsed = parse_clicks(batch, Rules(own.click_id_keys, own.now_ms()), visitors_of(own))
    own.database.run(lambda connection: _store(connection, own, batch, parsed))


def test_a_connection_lost_in_the_middle_of_a_batch_is_made_again(
    database_url: str, redis_url: str, used: Resources
) -> None:
    batch = cases.payloads([cases.click() for _ in range(20)])
    store_batch(cases.SPOOL, 0, batch[:10])
    with psycopg.connect(database_url) as blocker, ThreadPoolExecutor(1) as pool:
        blocker.execute("lock table click_days")
        running = pool.submit(store_batch, cases.SPOOL, 10, batch[10:])
        waiting = "select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        ((pid,),) = wait_until(lambda: cases.rows(database_url, waiting), what="the batch to wait in its transaction")
        # Terminated in the middle of its transaction, as by a crash of the server.
        blocker.execute("select pg_terminate_backend(%s)", [pid])
        blocker.commit()
        running.result(timeout=30)
    assert state(database_url)["stored"] == 20


def test_a_database_that_stays_away_fails_the_task_for_now(redis_url: str, used: Resources) -> None:
    stop = Event()
    away = Database("postgresql://nobody@127.0.0.1:1/none", stop, deadline_s=0.2)
    resources.install(Resources(away, used.redis, used.click_id_keys, stop))
    with pytest.raises(RetryableError):
        store_batch(cases.SPOOL, 0, cases.payloads([cases.click()]))


def test_redis_away_does_not_undo_a_batch(database_url: str, used: Resources) -> None:
    away = Redis(port=1)
    resources.install(Resources(used.database, away, used.click_id_keys, used.stop))
    store_batch(cases.SPOOL, 0, cases.payloads([cases.click()]))
    assert state(database_url)["stored"] == 1


@pytest.mark.usefixtures("used")
@pytest.mark.parametrize(
    "arguments",
    [
        ("7-0-3fa9c1d2-postbacks", 0, [], 0),
        ("../../x-clicks", 0, [], 0),
        (None, 0, [], 0),
        (cases.SPOOL, -1, [], 0),
        (cases.SPOOL, "0", [], 0),
        (cases.SPOOL, 0, "text", 0),
        (cases.SPOOL, 0, ["x"] * (BATCH_RECORDS_MAX + 1), 0),
        (cases.SPOOL, 0, [], -1),
        (cases.SPOOL, 0, [], True),
    ],
)
def test_arguments_that_no_agent_writes_are_refused_for_good(arguments: tuple[object, ...]) -> None:
    with pytest.raises(PermanentError):
        store_batch(*arguments)  # type: ignore[arg-type]
