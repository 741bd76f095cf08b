"""What identifies a visitor is erased wherever it is, also what comes late, with a receipt; counts and money stay."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

import delivery_cases as partners
import worker_cases as cases
from admin_client import AdminClient, admin_client
from tracking.clicks import SUB_NAMES
from tracking.visitors import visitor_key, visitor_number
from waiting import wait_until
from worker import clicks, postbacks
from worker.clicks.partitions import make_partition
from worker.privacy import erase_waiting, erasing
from worker.privacy.table import ERASED_COLUMNS
from worker.reports.clicks import Turn
from worker.reports.task import fold
from worker.runtime import Resources, RetryableError, install

ADDRESS = "198.51.100.77"
NOW = datetime.now(UTC)


@pytest.fixture
def used(database_url: str, redis_url: str) -> Iterator[Resources]:
    with cases.installed(database_url, redis_url) as resources:
        yield resources


@pytest.fixture
def admin(database_url: str, redis_url: str) -> Iterator[AdminClient]:
    with admin_client(database_url, redis_url) as client:
        yield AdminClient(dataclasses.replace(client.collaborators, click_id_keys=(cases.KEY,)), client.token)


_numbers = iter(range(10**6))


def store(days_ago: float = 0.0, **changes: Any) -> str:
    """Store a click of an address that is to be erased; return its id."""
    at_ms = int((NOW - timedelta(days=days_ago)).timestamp() * 1000)
    number = next(_numbers)
    click_id = cases.mint_at(at_ms, generation=number)
    made = cases.click(click_id=click_id, at_ms=at_ms, **{"ip": ADDRESS, "query": f"sub1=a&cid=x{number}"} | changes)
    clicks.store_batch(cases.SPOOL, number, cases.payloads([made]))
    return click_id


def report(click_id: str, **changes: Any) -> None:
    number = next(_numbers)
    sent = cases.postback(click_id, body=f"name=Erika&order={number}", **changes)
    postbacks.store_batch(cases.POSTBACK_SPOOL, number, cases.postback_payloads([sent]))


def asked(admin: AdminClient, **body: Any) -> dict[str, Any]:
    answer = admin.request("POST", "/v1/erasures", body)
    assert answer.status_code == 202, answer.text
    erasure: dict[str, Any] = answer.json
    return erasure


def erased(admin: AdminClient, **body: Any) -> dict[str, Any]:
    """Ask for an erasure, have it done, and return its receipt."""
    erasure = asked(admin, **body)
    erase_waiting()
    receipt: dict[str, Any] = admin.request("GET", f"/v1/erasures/{erasure['erasure_id']}").json
    assert receipt["state"] == "done"
    return receipt


def fold_all(used: Resources) -> None:
    """Fold what waits, settled or not."""
    fold(used.database.run, Turn(used.reports, used.now_s(), unsettled_s=0), lambda: True)


def dump(database_url: str) -> str:
    """Return everything that is stored, as text."""
    with psycopg.connect(database_url) as connection:
        tables = connection.execute(
            "select relname from pg_class where relkind in ('r', 'p') and not relispartition"
            " and relnamespace = current_schema()::regnamespace order by 1"
        ).fetchall()
        return "\n".join(
            f"{name}: {row[0]}"
            for (name,) in tables
            for row in connection.execute(f"select row_to_json(t)::text from {name} t").fetchall()
        )


def counts(database_url: str) -> list[Any]:
    return [
        cases.rows(database_url, query)
        for query in (
            "select day, link_id, class, clicks from click_days order by 1, 2, 3",
            "select count(*), count(distinct click_id) from clicks",
            "select event, status, payout_minor, order_id, country from conversions order by conversion_id",
            "select party, kind, amount_minor, currency from entries order by entry_id",
            "select outcome, reason, event, payout_minor from postbacks order by postback_id",
            "select state, event from deliveries order by delivery_id",
        )
    ]


def test_nothing_of_a_click_is_left_but_what_counts(admin: AdminClient, used: Resources, database_url: str) -> None:
    partners.outgoing_postback(database_url, "https://p.example/?u={user_agent}&i={ip}")
    secret = {
        "user_agent": "Mozilla/5.0 (Secret/1)",
        "referrer": "https://secret.example/",
        "query": "sub1=a&cid=SECRET",
    }
    target, other = store(**secret, location="https://m.example/?SECRET"), store()
    for click_id in (target, other):
        report(click_id, fields={"order_id": click_id[-5:]})
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "insert into delivery_attempts (delivery_id, attempt, url, body, response_body)"
            " select delivery_id, 1, 'https://p.example/?SECRET', 'SECRET', 'SECRET' from deliveries"
            " where click_id = %s",
            [target],
        )
        connection.execute(
            "insert into issues (kind, subject_key, title, detail, click_id) values"
            " ('corrected-postback', 'x', 't', '{\"request\": \"SECRET\", \"rule\": \"r\"}', %s)",
            [target],
        )
        connection.execute(
            "insert into poison_records values ('s', 1, %s, 'r'), ('s', 2, 'other', 'r')",
            [f'["{target}","SECRET"]'],
        )
    # What is in roll-ups already, and what waits to be folded.
    fold_all(used)
    assert "secret.example" in dump(database_url)
    before = counts(database_url)
    receipt = erased(admin, click_id=target, note="ticket 5")
    assert receipt["erased"] == {"clicks": 1, "postbacks": 1, "deliveries": 1, "attempts": 1, "issues": 1, "poison": 1}
    fold_all(used)
    left = dump(database_url)
    assert "SECRET" not in left
    assert "Secret" not in left
    assert "secret.example" not in left
    assert counts(database_url) == before
    # The other click of the same address is whole.
    assert cases.rows(database_url, "select host(ip) from clicks where click_id = %s", other) == [(ADDRESS,)]
    assert left.count("name=Erika") == 1
    assert cases.rows(database_url, "select sub1 from clicks where click_id = %s", target) == [("a",)]


def test_an_address_is_erased_on_every_day_and_no_other_is_touched(
    admin: AdminClient, used: Resources, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasing, "ERASED_TOGETHER", 2)
    mine = [store(days) for days in (0, 0, 0, 0, 0, 3, 40)]
    theirs = [store(days, ip="198.51.100.78") for days in (0, 3)]
    before = counts(database_url)
    receipt = erased(admin, address=ADDRESS, sub_ids=True)
    assert receipt["erased"]["clicks"] == len(mine)
    assert ADDRESS not in dump(database_url)
    assert counts(database_url) == before
    kept = cases.rows(database_url, "select click_id::text, sub1 from clicks where ip is not null")
    assert sorted(kept) == sorted((click_id, "a") for click_id in theirs)
    assert cases.rows(database_url, "select count(*)::int from clicks where sub1 is null") == [(len(mine),)]


def test_clicks_of_before_there_were_visitor_numbers_are_found_too(
    admin: AdminClient, used: Resources, database_url: str
) -> None:
    store()
    with psycopg.connect(database_url) as connection:
        connection.execute("update clicks set visitor = null")
    assert erased(admin, address=ADDRESS)["erased"]["clicks"] == 1


def test_a_truncated_or_hashed_click_is_found_by_its_number(
    admin: AdminClient, used: Resources, database_url: str
) -> None:
    for storage in ("truncated", "hashed"):
        cases.rows(database_url, f"update profiles set address_storage = '{storage}' returning 1")
        store()
        store(ip="198.51.100.78")
    assert ADDRESS not in dump(database_url)
    assert erased(admin, address=ADDRESS)["erased"]["clicks"] == 2


def test_a_dry_run_counts_and_changes_nothing(admin: AdminClient, used: Resources, database_url: str) -> None:
    report(store())
    store(5)
    before = cases.rows(database_url, "select * from clicks order by click_id")
    receipt = erased(admin, address=ADDRESS, dry_run=True)
    assert receipt["dry_run"] is True
    assert (receipt["erased"]["clicks"], receipt["erased"]["postbacks"]) == (2, 1)
    assert cases.rows(database_url, "select * from clicks order by click_id") == before
    # What comes later is stored whole.
    store(0.5)
    assert cases.rows(database_url, "select count(*)::int from clicks where erased_at is not null") == [(0,)]


def test_the_receipt_names_who_asked_and_not_whom(admin: AdminClient, used: Resources, database_url: str) -> None:
    store()
    first, second = erased(admin, address=ADDRESS, note="ticket 5"), erased(admin, address=f"{ADDRESS}")
    assert first["subject_hash"] == second["subject_hash"]
    assert (first["requested_by"], first["note"], first["subject_kind"]) == ("test", "ticket 5", "address")
    assert (first["erased"]["clicks"], second["erased"]["clicks"]) == (1, 0)
    assert first["finished_at"] is not None
    assert ADDRESS not in dump(database_url)
    listed = admin.request("GET", "/v1/erasures").json["items"]
    assert [each["erasure_id"] for each in listed] == [2, 1]


def test_an_erased_postback_is_not_read_again(admin: AdminClient, used: Resources, database_url: str) -> None:
    click_id = store()
    report(click_id)
    erased(admin, click_id=click_id)
    before = cases.rows(database_url, "select * from postbacks")
    cases.rows(
        database_url, """insert into replays (filter, dry) values ('{"outcome": "recorded"}', false) returning 1"""
    )
    postbacks.run_replay(1)
    assert cases.rows(database_url, "select changed, note from postback_judgements") == [
        (False, "its request was erased, so it cannot be read again")
    ]
    assert cases.rows(database_url, "select * from postbacks") == before


def test_a_process_killed_in_between_goes_on(
    admin: AdminClient, used: Resources, database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasing, "ERASED_TOGETHER", 3)
    for days in (0, 0, 0, 0, 3):
        store(days)
    asked(admin, address=ADDRESS)
    whole = erasing.erase_all
    calls = []

    def killed(connection: Any, *arguments: Any, **named: Any) -> Any:
        calls.append(whole(connection, *arguments, **named))
        if len(calls) == 2:
            # As after kill -9: the server ends the transaction.
            connection.close()
            raise psycopg.OperationalError("killed")
        return calls[-1]

    monkeypatch.setattr(erasing, "erase_all", killed)
    erase_waiting()
    receipt = admin.request("GET", "/v1/erasures/1").json
    assert (receipt["state"], receipt["erased"]["clicks"]) == ("done", 5)
    assert cases.rows(database_url, "select count(*)::int from clicks where erased_at is not null") == [(5,)]
    assert len(calls) == 4


def test_a_click_of_before_that_is_stored_later_is_erased_as_it_is_stored(
    admin: AdminClient, used: Resources, database_url: str
) -> None:
    late = cases.mint_at(int((NOW - timedelta(hours=1)).timestamp() * 1000), generation=77)
    erased(admin, address=ADDRESS)
    erased(admin, click_id=late, sub_ids=True)
    with psycopg.connect(database_url) as connection:
        connection.execute("update erasures set requested_at = now() - interval '10 minutes'")
    query = "sub1=a&cid=SECRET"
    earlier = int((NOW - timedelta(hours=1)).timestamp() * 1000)
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    made = [
        cases.click(click_id=cases.mint_at(earlier, generation=78), at_ms=earlier, ip=ADDRESS, query=query),
        cases.click(click_id=late, at_ms=earlier, ip="192.0.2.9", query=query),
        cases.click(click_id=cases.mint_at(earlier, generation=79), at_ms=earlier, ip="192.0.2.9", query="sub1=b"),
        # The same visitor, who came back.
        cases.click(click_id=cases.mint_at(now_ms, generation=80), at_ms=now_ms, ip=ADDRESS, query="sub1=c"),
    ]
    clicks.store_batch(cases.SPOOL, 10_000, cases.payloads(made))
    stored = cases.rows(
        database_url,
        "select host(ip), sub1, query, user_agent <> '', visitor is not null, erased_at is not null, class"
        " from clicks order by spool_number",
    )
    assert stored == [
        (None, "a", "", False, False, True, "valid"),
        # Asked for with its sub ids.
        (None, None, "", False, False, True, "valid"),
        ("192.0.2.9", "b", "sub1=b", True, True, False, "valid"),
        (ADDRESS, "c", "sub1=c", True, True, False, "valid"),
    ]
    assert cases.rows(database_url, "select sum(clicks)::int from click_days") == [(4,)]


def test_a_batch_that_was_made_before_an_erasure_began_comes_again(
    admin: AdminClient, used: Resources, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = clicks.task.parse_clicks

    def parse_and_wait(*arguments: Any) -> Any:
        parsed = made(*arguments)
        asked(admin, address=ADDRESS)
        monkeypatch.setattr(clicks.task, "parse_clicks", made)
        return parsed

    monkeypatch.setattr(clicks.task, "parse_clicks", parse_and_wait)
    click = cases.click(ip=ADDRESS)
    with pytest.raises(RetryableError):
        clicks.store_batch(cases.SPOOL, 20_000, cases.payloads([click]))
    clicks.store_batch(cases.SPOOL, 20_000, cases.payloads([click]))
    erase_waiting()
    assert ADDRESS not in dump(database_url)


def test_an_erasure_waits_for_batches_that_do_not_know_it(
    admin: AdminClient, used: Resources, database_url: str, redis_url: str
) -> None:
    make_partition_of_today(database_url)
    with psycopg.connect(database_url) as batch:
        batch.execute("select pg_advisory_xact_lock_shared(%s)", [erasing.ERASURE_LOCK])
        number = visitor_number(ADDRESS, "x", visitor_key(cases.KEY))
        batch.execute(
            "insert into clicks (click_id, clicked_at, link_id, profile_id, config_version, class, method, host, slug,"
            " query, parameters, user_agent, referrer, accept_language, location, spool_id, spool_number, ip, visitor)"
            " values (%s, now(), 1, 1, 1, 'valid', 'GET', '', '', '', '{}', '', '', '', '', 's', 1, %s, %s)",
            [cases.click().click_id, ADDRESS, number],
        )
        asked(admin, address=ADDRESS)
        own = cases.resources(database_url, redis_url)
        install(own)
        task = threading.Thread(target=erase_waiting)
        task.start()
        waiting = "select 1 from pg_locks where locktype = 'advisory' and not granted"
        wait_until(lambda: cases.rows(database_url, waiting), 10, "the erasure to wait")
        batch.commit()
    task.join(30)
    cases.close(own)
    assert admin.request("GET", "/v1/erasures/1").json["erased"]["clicks"] == 1


def make_partition_of_today(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        make_partition(connection, datetime.now(UTC).date())


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({}, 400, "invalid-field", "click_id"),
        ({"click_id": "x", "address": ADDRESS}, 400, "invalid-field", "click_id"),
        ({"address": "nowhere"}, 400, "invalid-field", "address"),
        ({"address": "fe80::1%eth0"}, 400, "invalid-field", "address"),
        ({"click_id": "01a211e6-8ff8-7007-8000-000000000000"}, 404, "unknown-click", None),
    ],
)
def test_an_erasure_names_one_click_or_one_address(
    admin: AdminClient, used: Resources, body: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    answer = admin.request("POST", "/v1/erasures", body)
    assert (answer.status_code, answer.json["code"]) == (status, code)
    if field is not None:
        assert answer.json["errors"][0]["field"] == field


# What a click keeps after an erasure: what it counts as, where it led, and how it was recorded.
KEPT = {
    *(
        "click_id",
        "clicked_at",
        "link_id",
        "profile_id",
        "config_version",
        "class",
        "is_unique",
        "method",
        "host",
        "slug",
    ),
    *(
        "spool_id",
        "spool_number",
        "stored_at",
        "erased_at",
        "country",
        "connection",
        "anonymous",
        "device",
        "os",
        "browser",
    ),
    *("language", "campaign", "cost", "routing", "rule_id", "destination_id"),
}


def test_every_column_of_a_click_is_either_erased_or_kept(database_url: str) -> None:
    """A new column has to be put into one of the two: `ERASED_COLUMNS`, or `KEPT` here."""
    query = "select column_name from information_schema.columns where table_name = 'clicks' and table_schema = 'public'"
    columns = {row[0] for row in cases.rows(database_url, query)}
    decided = KEPT | set(ERASED_COLUMNS) | set(SUB_NAMES)
    assert columns - decided == set()
    assert KEPT & set(ERASED_COLUMNS) == set()
