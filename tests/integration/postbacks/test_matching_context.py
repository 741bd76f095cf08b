"""What postbacks are judged by besides the clicks: event types, signed ids, countries, and what is told of it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from time import time
from typing import Any

import psycopg
import pytest

import worker_cases as cases
from config.geo import GeoDatabases
from tracking.issues import IssueKind
from tracking.spool import Batch, Postback
from waiting import wait_until
from worker.clicks import task as clicks
from worker.conversions import load_context
from worker.issues import open_issue
from worker.postbacks import store_batch
from worker.postbacks import task as postbacks
from worker.postbacks.parked import flag_overdue
from worker.postbacks.task import parse_postbacks
from worker.runtime import Resources, install
from worker.spool import Rules

NOW_MS = int(time() * 1000)
CORRECTION = {"field": "click_id", "from": "null", "to": "x", "rule": "junk-removed"}


@pytest.fixture(autouse=True)
def used(database_url: str, redis_url: str) -> Iterator[Resources]:
    with cases.installed(database_url, redis_url) as used:
        yield used


class Spools:
    """Hands records to the tasks in order."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._numbers = {cases.SPOOL: 0, cases.POSTBACK_SPOOL: 0}

    def click(self, **changes: Any) -> str:
        made = cases.click(**changes)
        clicks.store_batch(cases.SPOOL, self._take(cases.SPOOL, 1), cases.payloads([made]))
        return made.click_id

    def send(self, *sent: Postback) -> list[tuple[Any, ...]]:
        """Store postbacks as one batch and return their outcomes and reasons."""
        first = self._take(cases.POSTBACK_SPOOL, len(sent))
        store_batch(cases.POSTBACK_SPOOL, first, cases.postback_payloads(list(sent)))
        query = "select outcome, reason from postbacks where postback_id = %s"
        return [row for each in sent for row in self.rows(query, each.postback_id)]

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return cases.rows(self._url, query, *values)

    def run(self, query: str, *values: object) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(query, values)

    def _take(self, spool: str, count: int) -> int:
        self._numbers[spool] += count
        return self._numbers[spool] - count


@pytest.fixture
def spools(database_url: str) -> Spools:
    return Spools(database_url)


def test_an_operators_own_event_type_counts_as_it_says(spools: Spools) -> None:
    spools.run(
        "insert into event_types (event, name, repeatable, approval) values"
        " ('spin', 'Spin', true, 'auto'), ('kyc', 'Know your customer', false, 'manual')"
    )
    click_id = spools.click()
    spin = {"fields": {"event": "spin"}}
    assert spools.send(cases.postback(click_id, at_ms=NOW_MS, **spin)) == [("recorded", None)]
    assert spools.send(cases.postback(click_id, at_ms=NOW_MS + 11_000, **spin)) == [("recorded", None)]
    kyc = {"fields": {"event": "kyc", "status": "approved"}}
    assert spools.send(cases.postback(click_id, **kyc)) == [("recorded", "manual-review")]
    assert spools.send(cases.postback(click_id, **kyc)) == [("duplicate", "duplicate")]
    query = "select event, status, reason from conversions order by event, received_at"
    assert spools.rows(query) == [
        ("kyc", "pending", "manual-review"),
        *[("spin", "approved", None)] * 2,
    ]


def test_an_event_type_that_is_gone_refuses_and_a_batch_goes_on(spools: Spools) -> None:
    click_id = spools.click()
    gone = cases.postback(click_id, fields={"event": "gone"})
    assert spools.send(gone, cases.postback(click_id)) == [("refused", "unknown-event"), ("recorded", None)]


def test_a_change_names_the_postback_that_caused_it(spools: Spools) -> None:
    click_id = spools.click()
    sent = [cases.postback(click_id, fields={"status": status}) for status in ("pending", "approved", "reversed")]
    for each in sent:
        spools.send(each)
    late = cases.postback(click_id, at_ms=NOW_MS - 60_000, fields={"payout_minor": 100})
    spools.send(late)
    query = "select postback_id::text, cause, from_status, to_status from conversion_changes order by change_id"
    assert spools.rows(query) == [
        (sent[0].postback_id, "postback", None, "pending"),
        (sent[1].postback_id, "postback", "pending", "approved"),
        (sent[2].postback_id, "postback", "approved", "reversed"),
    ]
    assert spools.rows("select status, payout_minor from conversions") == [("reversed", 2500)]


def test_what_an_operator_decided_counts_from_when_they_did(spools: Spools, database_url: str) -> None:
    click_id = spools.click()
    early, middle = NOW_MS - 60_000, NOW_MS - 30_000
    spools.send(cases.postback(click_id, at_ms=middle, fields={"status": "pending", "payout_minor": 3000}))
    with psycopg.connect(database_url) as connection:
        connection.execute("select set_config('waypost.cause', 'operator', true)")
        connection.execute("update conversions set status = 'approved', reason = 'operator-decision'")
    spools.send(cases.postback(click_id, fields={"status": "reversed"}, at_ms=int(time() * 1000) + 5000))
    # Older than all of that: everything is judged again, the operator's decision in its place.
    assert spools.send(cases.postback(click_id, at_ms=early, fields={"status": "pending"})) == [("recorded", None)]
    assert spools.rows("select status, payout_minor from conversions") == [("reversed", 2500)]
    assert spools.rows("select outcome from postbacks order by received_at") == [
        *[("recorded",), ("transition",), ("transition",)]
    ]


@pytest.mark.parametrize("is_late", [False, True], ids=["in-order", "late"])
def test_what_an_operator_decides_while_a_postback_is_judged_is_not_overwritten(
    spools: Spools, database_url: str, is_late: bool
) -> None:
    click_id = spools.click()
    spools.send(cases.postback(click_id, at_ms=NOW_MS, fields={"status": "pending"}))
    moment = NOW_MS - 60_000 if is_late else NOW_MS + 1000
    changed = cases.postback(click_id, at_ms=moment, fields={"status": "pending", "payout_minor": 3000})

    def waits() -> bool:
        query = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        return bool(spools.rows(query)[0][0])

    with psycopg.connect(database_url) as operator, ThreadPoolExecutor(1) as pool:
        operator.execute("select set_config('waypost.cause', 'operator', true)")
        operator.execute("update conversions set status = 'approved', payout_minor = 2600")
        storing = pool.submit(spools.send, changed)
        wait_until(waits, what="the postback to wait for the operator's transaction")
        operator.commit()
        storing.result(timeout=30)
    payout_minor = 2600 if is_late else 3000
    assert spools.rows("select status, payout_minor from conversions") == [("approved", payout_minor)]


def test_what_was_approved_by_itself_is_not_put_under_review_by_an_older_postback(spools: Spools) -> None:
    click_id = spools.click()
    spools.send(cases.postback(click_id, at_ms=NOW_MS))
    spools.run("update event_types set approval = 'manual' where event = 'ftd'")
    spools.run("update profiles set click_expiry_days = 1")
    spools.send(cases.postback(click_id, at_ms=NOW_MS - 60_000, fields={"payout_minor": 900}))
    assert spools.rows("select status, reason, payout_minor from conversions") == [("approved", None, 2500)]


def test_a_signed_id_counts_once_for_an_account(spools: Spools) -> None:
    one, other = spools.click(), spools.click(link_id=2)
    assert spools.send(cases.postback(one, nonce="msg_1")) == [("recorded", None)]
    replayed = cases.postback(one, nonce="msg_1", fields={"event": "deposit"})
    assert spools.send(replayed) == [("refused", "replayed")]
    assert spools.send(cases.postback(other, merchant_id=2, nonce="msg_1")) == [("recorded", None)]
    assert spools.send(cases.postback(one, nonce="msg_2", fields={"event": "deposit"})) == [("recorded", None)]
    assert spools.rows("select count(*) from conversions") == [(3,)]
    # Refused without being a claim, so that it counts for nothing when others are judged in order again.
    assert spools.rows("select claimed, nonce from postbacks where reason = 'replayed'") == [(False, "msg_1")]


def test_the_same_signed_ids_at_once_count_once_each(spools: Spools, database_url: str, redis_url: str) -> None:
    # A click of its own for each, so that only the ids bring them together.
    click_ids = [spools.click() for _ in range(4)]

    def process(slot: int) -> None:
        own, click_id = cases.resources(database_url, redis_url), click_ids[slot]
        numbers = range(20) if slot % 2 else range(19, -1, -1)
        sent = [cases.postback(click_id, nonce=f"msg_{n}", fields={"order_id": f"{slot}-{n}"}) for n in numbers]
        batch = Batch(f"7-{slot}-3fa9c1d2-postbacks", 0, cases.postback_payloads(sent))
        rows, poison = parse_postbacks(batch, Rules(own.click_id_keys, own.now_ms()))
        context = own.database.run(lambda connection: load_context(connection, own.geo.country))
        own.database.run(lambda connection: postbacks._store(connection, own, batch, (rows, poison), context))
        cases.close(own)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(process, range(4)))
    assert spools.rows("select count(*) from conversions") == [(20,)]
    assert spools.rows("select outcome, count(*) from postbacks group by 1 order by 1") == [
        ("recorded", 20),
        ("refused", 60),
    ]
    deadlocks = "select deadlocks from pg_stat_database where datname = current_database()"
    assert spools.rows(deadlocks) == [(0,)]


class Countries(GeoDatabases):
    """Stands in for the databases of addresses."""

    def country(self, address: str) -> str:
        return {"192.0.2.7": "SE", "192.0.2.8": "not a code"}.get(address, "")


@pytest.mark.parametrize(("ip", "country"), [("192.0.2.7", "SE"), ("192.0.2.8", None), ("192.0.2.9", None), ("", None)])
def test_a_conversion_has_the_country_of_its_click(
    spools: Spools, used: Resources, ip: str, country: str | None
) -> None:
    install(replace(used, geo=Countries()))
    spools.send(cases.postback(spools.click(ip=ip)))
    assert spools.rows("select country from conversions") == [(country,)]


def test_the_country_that_was_stored_with_the_click_counts(spools: Spools, used: Resources) -> None:
    click_id = spools.click(ip="8.8.8.8")
    spools.rows("update clicks set ip = null returning click_id")
    install(replace(used, geo=Countries()))
    spools.send(cases.postback(click_id))
    assert spools.rows("select country from conversions") == [("US",)]


def test_a_parked_postbacks_conversion_has_its_country_too(spools: Spools, used: Resources) -> None:
    install(replace(used, geo=Countries()))
    made = cases.click()
    spools.send(cases.postback(made.click_id))
    clicks.store_batch(cases.SPOOL, 0, cases.payloads([made]))
    assert spools.rows("select country from conversions") == [("SE",)]


def test_one_wrong_configuration_is_one_issue_with_a_count(spools: Spools) -> None:
    click_id = spools.click()
    other_rule = CORRECTION | {"field": "payout", "rule": "amount-read"}
    for number in range(3):
        corrections = [CORRECTION, other_rule] if number == 1 else [CORRECTION]
        spools.send(
            cases.postback(click_id, query=f"n={number}", fields={"order_id": str(number), "corrections": corrections})
        )
    # Repeated by the agent: nothing is stored again, so nothing is counted again.
    again = cases.postback(click_id, fields={"corrections": [CORRECTION]})
    store_batch(cases.POSTBACK_SPOOL, 0, cases.postback_payloads([again]))
    query = "select kind, subject_key, count, merchant_id, click_id::text, detail -> 'request' ->> 'query' from issues"
    assert spools.rows(f"{query} order by subject_key") == [
        ("corrected-postback", "merchant:1:amount-read", 1, 1, click_id, "n=1"),
        ("corrected-postback", "merchant:1:junk-removed", 3, 1, click_id, "n=2"),
    ]
    assert spools.rows("select corrections from postbacks where query = 'n=0'") == [([CORRECTION],)]


def test_a_resolved_issue_opens_again_when_it_happens_again(spools: Spools) -> None:
    click_id = spools.click()
    corrected = {"fields": {"event": "deposit", "corrections": [CORRECTION]}}
    spools.send(cases.postback(click_id, at_ms=NOW_MS, **corrected))
    spools.run("update issues set state = 'resolved', resolved_at = now(), note = 'told them'")
    spools.send(cases.postback(click_id, at_ms=NOW_MS + 60_000, **corrected))
    query = "select state, count, reopened, note, resolved_at, revision from issues"
    assert spools.rows(query) == [("open", 2, 1, "told them", None, 2)]


def test_corrections_that_are_none_of_ours_are_left_out(spools: Spools) -> None:
    click_id = spools.click()
    odd = [7, {"rule": 1}, {"rule": "a", "field": "b\x00", "from": 5, "more": "x"}, None]
    assert spools.send(cases.postback(click_id, fields={"corrections": odd})) == [("recorded", None)]
    assert spools.rows("select corrections from postbacks") == [([{"rule": "a", "field": "b\ufffd"}],)]
    assert spools.send(cases.postback(click_id, fields={"corrections": "x"})) == [("duplicate", "duplicate")]
    assert spools.rows("select title from issues") == [("b\ufffd of the account's postbacks had to be corrected: a",)]


def test_issues_opened_crosswise_by_two_processes_do_not_deadlock(
    spools: Spools, database_url: str, redis_url: str
) -> None:
    click_ids = [spools.click() for _ in range(4)]
    rules = [CORRECTION | {"rule": f"rule-{number}"} for number in range(8)]

    def process(slot: int) -> None:
        own, click_id = cases.resources(database_url, redis_url), click_ids[slot]
        for number in range(5):
            chosen = rules if slot % 2 else rules[::-1]
            sent = [
                cases.postback(click_id, fields={"order_id": f"{slot}-{number}-{at}", "corrections": [rule]})
                for at, rule in enumerate(chosen)
            ]
            batch = Batch(f"7-{slot}-3fa9c1d2-postbacks", number * 8, cases.postback_payloads(sent))
            rows, poison = parse_postbacks(batch, Rules(own.click_id_keys, own.now_ms()))
            context = own.database.run(lambda connection: load_context(connection, own.geo.country))
            own.database.run(
                lambda connection, each=batch, parsed=(rows, poison), context=context: postbacks._store(
                    connection, own, each, parsed, context
                )  # type: ignore[misc]
            )
        cases.close(own)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(process, range(4)))
    assert spools.rows("select distinct count from issues") == [(20,)]
    deadlocks = "select deadlocks from pg_stat_database where datname = current_database()"
    assert spools.rows(deadlocks) == [(0,)]


def test_postbacks_that_wait_for_a_day_open_one_issue_an_account_and_count_once_each(spools: Spools) -> None:
    waiting = [cases.postback(cases.click().click_id, merchant_id=account) for account in (1, 1, 2)]
    spools.send(*waiting, cases.postback(spools.click()))
    flag_overdue()
    assert spools.rows("select count(*) from issues") == [(0,)]
    spools.run("update postbacks set stored_at = now() - interval '25 hours'")
    for _ in range(2):
        flag_overdue()
    query = "select kind, subject_key, count, merchant_id from issues order by subject_key"
    assert spools.rows(query) == [
        ("parked-postback", "merchant:1", 2, 1),
        ("parked-postback", "merchant:2", 1, 2),
    ]


def test_a_parked_postback_of_a_day_without_a_partition_waits_and_harms_nothing(spools: Spools) -> None:
    at_ms = NOW_MS - 200 * 86_400_000
    lost = cases.mint_at(at_ms)
    assert spools.send(cases.postback(lost, at_ms=at_ms)) == [("parked", "click-not-stored-yet")]
    assert spools.send(cases.postback(spools.click())) == [("recorded", None)]
    late = cases.click(click_id=lost, at_ms=at_ms)
    clicks.store_batch(cases.SPOOL, 1, cases.payloads([late]))
    assert spools.rows("select outcome from postbacks where click_id = %s", lost) == [("recorded",)]


def test_an_issue_is_opened_with_its_transaction_or_not_at_all(spools: Spools, used: Resources) -> None:
    connection = used.database.wait()
    with connection.transaction(force_rollback=True):
        open_issue(connection, IssueKind.RATE_MISSING, "x", "A title", {})
    assert spools.rows("select count(*) from issues") == [(0,)]


def test_a_link_that_is_another_merchants_by_now_still_converts_for_its_former_one(spools: Spools) -> None:
    click_id = spools.click()
    spools.send(cases.postback(click_id, fields={"order_id": "A", "status": "pending"}))
    spools.run("update links set merchant_id = 2 where link_id = 1")
    of_former = cases.postback(
        click_id, fields={"order_id": "A", "status": "approved"}, at_ms=int(time() * 1000) + 1000
    )
    assert spools.send(of_former) == [("transition", None)]
    # What was not authenticated is the former merchant's too: no second conversion of the same order.
    unauthenticated = {"merchant_id": None, "authenticated": False}
    assert spools.send(cases.postback(click_id, fields={"order_id": "A"}, **unauthenticated)) == [
        ("duplicate", "duplicate")
    ]
    assert spools.rows("select merchant_id, status from conversions") == [(1, "approved")]
    later = spools.click(at_ms=int(time() * 1000) + 60_000)
    assert spools.send(cases.postback(later, merchant_id=2)) == [("recorded", None)]
    assert spools.send(cases.postback(later, merchant_id=1)) == [("refused", "click-of-another-merchant")]


def test_a_link_that_was_of_the_wrong_merchant_converts_for_the_right_one(spools: Spools) -> None:
    click_id = spools.click()
    refused = cases.postback(click_id, merchant_id=2)
    assert spools.send(refused) == [("refused", "click-of-another-merchant")]
    spools.run("update links set merchant_id = 2 where link_id = 1")
    assert spools.send(cases.postback(click_id, merchant_id=2)) == [("recorded", None)]
    assert spools.rows("select merchant_id, status from conversions") == [(2, "approved")]
