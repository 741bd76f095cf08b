"""Postbacks are stored and judged exactly once: against their click, one another, and clicks that come later."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from time import time
from typing import Any
from uuid import UUID, uuid4

import orjson
import psycopg
import pytest

import worker_cases as cases
from tracking.money import AMOUNT_MINOR_MAX
from tracking.postbacks import ORDER_ID_CHARACTERS_MAX
from tracking.spool import Batch, Click, Postback, encode_postback
from waiting import wait_until
from worker.clicks import task as clicks
from worker.conversions import load_context
from worker.conversions.table import LOAD_CLICK
from worker.maintenance import make_partitions, match_parked
from worker.postbacks import parked, store_batch
from worker.postbacks import task as postbacks
from worker.postbacks.parked import match_postbacks
from worker.postbacks.table import stored_click_ids
from worker.postbacks.task import parse_postbacks
from worker.runtime import Resources
from worker.spool import Rules

NOW_MS = int(time() * 1000)


@pytest.fixture(autouse=True)
def used(database_url: str, redis_url: str) -> Iterator[Resources]:
    with cases.installed(database_url, redis_url) as used:
        yield used


class Stream:
    """Hands records to the tasks in order, one batch a call, as an agent with one spool of each kind."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._numbers = {cases.SPOOL: 0, cases.POSTBACK_SPOOL: 0}

    def click(self, **changes: Any) -> str:
        made = cases.click(**changes)
        self.clicks(made)
        return made.click_id

    def clicks(self, *made: Click) -> None:
        clicks.store_batch(cases.SPOOL, self._take(cases.SPOOL, len(made)), cases.payloads(list(made)))

    def send(self, *sent: Postback) -> list[tuple[str, str | None]]:
        """Store postbacks as one batch and return their outcomes and reasons."""
        first = self._take(cases.POSTBACK_SPOOL, len(sent))
        store_batch(cases.POSTBACK_SPOOL, first, cases.postback_payloads(list(sent)))
        return [self.outcome(each) for each in sent]

    def conversions_of(self, click_id: str) -> list[tuple[Any, ...]]:
        """Return status and amount of a click's conversions."""
        return cases.rows(self._url, "select status, payout_minor from conversions where click_id = %s", click_id)

    def outcome(self, sent: Postback) -> tuple[str, str | None]:
        ((outcome, reason),) = cases.rows(
            self._url, "select outcome, reason from postbacks where postback_id = %s", sent.postback_id
        )
        return outcome, reason

    def outcomes(self) -> list[tuple[Any, ...]]:
        """Return how many postbacks have which outcome."""
        return cases.rows(self._url, "select outcome, count(*) from postbacks group by 1 order by 1")

    def conversions(self) -> list[tuple[Any, ...]]:
        return cases.rows(
            self._url,
            "select status, reason, payout_minor, currency, authenticated from conversions order by received_at",
        )

    def _take(self, spool: str, count: int) -> int:
        self._numbers[spool] += count
        return self._numbers[spool] - count


@pytest.fixture
def stream(database_url: str) -> Stream:
    return Stream(database_url)


def test_a_postback_of_a_stored_click_becomes_a_conversion(stream: Stream, database_url: str) -> None:
    click_id = stream.click()
    sent = cases.postback(
        click_id, body="caf\xc3\xa9\x00\xff", query="a=\x00", fields={"order_id": "A-1", "status": "pending"}
    )
    assert stream.send(sent) == [("recorded", None)]
    (row,) = cases.rows(
        database_url,
        "select p.body, p.query, p.ip::text, p.answered, p.spool_number, p.status_sent,"
        " c.click_id::text, c.merchant_id, c.link_id, c.event, c.order_id, c.status, c.payout_minor, c.currency,"
        " c.authenticated, c.clicked_at = k.clicked_at"
        " from postbacks p join conversions c using (conversion_id) join clicks k on k.click_id = c.click_id",
    )
    assert row == (
        *("café\ufffd\ufffd", "a=\ufffd", "198.51.100.4/32", 200, 0, "pending"),
        *(click_id, 1, 1, "ftd", "A-1", "pending", 2500, "USD", True, True),
    )


def test_the_same_batch_again_changes_nothing(stream: Stream, database_url: str) -> None:
    click_id = stream.click()
    batch = cases.postback_payloads([cases.postback(click_id), cases.postback(click_id, fields={"event": "deposit"})])
    for first, part in ((0, batch), (0, batch), (1, batch[1:])):
        store_batch(cases.POSTBACK_SPOOL, first, part)
    # The same records under other numbers too, as of a spool that was copied.
    store_batch(cases.POSTBACK_SPOOL, 2, batch)
    assert len(stream.conversions()) == 2
    stored = "select done, stored, duplicates, poisoned from spool_progress where spool_id = %s"
    assert cases.rows(database_url, stored, cases.POSTBACK_SPOOL) == [(4, 2, 2, 0)]


def test_what_the_edge_refused_is_a_row_with_its_reason(stream: Stream, database_url: str) -> None:
    unreadable = cases.postback("x", answered=400, reason="bad-body", detail="not\x00JSON")._replace(fields=None)
    wrong = cases.postback(
        "not-an-id", answered=404, reason="unknown-click", fields={"event": 7, "order_id": "a\x00b", "payout_minor": -4}
    )
    genuine = cases.postback(stream.click(), answered=401, reason="bad-token", merchant_id=None, authenticated=False)
    assert stream.send(unreadable, wrong, genuine) == [
        ("refused", "bad-body"),
        ("refused", "unknown-click"),
        ("refused", "bad-token"),
    ]
    assert stream.conversions() == []
    detail = cases.rows(database_url, "select detail from postbacks where reason = 'bad-body'")
    assert detail == [("not\ufffdJSON",)]


def test_a_conflict_whose_original_never_came_is_the_conversion(stream: Stream) -> None:
    click_id = stream.click()
    assert stream.send(cases.postback(click_id, answered=409)) == [("recorded", None)]
    assert stream.send(cases.postback(click_id, answered=409)) == [("duplicate", "duplicate")]


def test_a_postback_that_overtakes_its_click_is_parked_and_matched_when_it_comes(
    stream: Stream, database_url: str
) -> None:
    late = cases.click()
    first, second = cases.postback(late.click_id, fields={"status": "pending"}), cases.postback(late.click_id)
    approved = cases.postback(late.click_id, fields={"status": "approved"}, at_ms=second.at_ms + 1000)
    assert set(stream.send(approved, first, second)) == {("parked", "click-not-stored-yet")}
    stream.clicks(cases.click(), late)
    # Judged in the order of their arrival at the edge.
    assert [stream.outcome(each)[0] for each in (first, second, approved)] == ["recorded", "duplicate", "transition"]
    assert stream.conversions() == [("approved", None, 2500, "USD", True)]
    assert cases.rows(database_url, "select count(distinct conversion_id), count(conversion_id) from postbacks") == [
        (1, 3)
    ]


def test_statuses_change_by_legal_steps_only(stream: Stream) -> None:
    click_id = stream.click()
    outcomes = [
        stream.send(cases.postback(click_id, fields={"order_id": "A", "status": status}))[0]
        for status in ("pending", "approved", "approved", "pending", "reversed", "approved")
    ]
    assert outcomes == [
        ("recorded", None),
        ("transition", None),
        ("duplicate", "duplicate"),
        ("refused", "illegal-transition"),
        ("transition", None),
        ("refused", "illegal-transition"),
    ]
    assert stream.conversions() == [("reversed", None, 2500, "USD", True)]


def test_a_new_amount_of_the_same_order_is_a_transition(stream: Stream) -> None:
    click_id = stream.click()
    for payout, outcome in ((2500, "recorded"), (3000, "transition"), (3000, "duplicate")):
        fields = {"order_id": "A", "payout_minor": payout}
        assert stream.send(cases.postback(click_id, fields=fields))[0][0] == outcome
    assert stream.conversions() == [("approved", None, 3000, "USD", True)]


def test_an_order_of_another_click_is_refused_and_of_another_account_is_its_own(stream: Stream) -> None:
    one, other, foreign = stream.click(), stream.click(), stream.click(link_id=2)
    order = {"fields": {"order_id": "A"}}
    assert stream.send(cases.postback(one, **order)) == [("recorded", None)]
    assert stream.send(cases.postback(other, **order)) == [("refused", "order-of-another-click")]
    assert stream.send(cases.postback(foreign, merchant_id=2, **order)) == [("recorded", None)]
    assert stream.send(cases.postback(foreign, **order)) == [("refused", "click-of-another-merchant")]


def test_an_unauthenticated_order_cannot_keep_the_accounts_own_from_counting(stream: Stream) -> None:
    stranger, buyer = stream.click(), stream.click()
    order = {"fields": {"order_id": "A"}}
    assert stream.send(cases.postback(stranger, merchant_id=None, authenticated=False, **order)) == [
        ("recorded", "token-required")
    ]
    assert stream.send(cases.postback(buyer, **order)) == [("recorded", None)]
    assert [row[:2] for row in stream.conversions()] == [("rejected", "order-of-another-click"), ("approved", None)]


def test_an_unauthenticated_postback_stays_pending(stream: Stream) -> None:
    click_id = stream.click()
    anonymous = {"merchant_id": None, "authenticated": False}
    assert stream.send(cases.postback(click_id, **anonymous)) == [("recorded", "token-required")]
    assert stream.send(cases.postback(click_id, **anonymous)) == [("duplicate", "duplicate")]
    approving = cases.postback(click_id, fields={"status": "approved"}, **anonymous)
    assert stream.send(approving) == [("refused", "unauthenticated")]
    assert stream.conversions() == [("pending", "token-required", 2500, "USD", False)]
    assert stream.send(cases.postback(click_id)) == [("transition", None)]
    assert stream.conversions() == [("approved", None, 2500, "USD", True)]
    changing = cases.postback(click_id, fields={"payout_minor": 1}, **anonymous)
    assert stream.send(changing) == [("refused", "unauthenticated")]


def test_deposits_without_an_order_each_count_unless_identical_within_ten_seconds(stream: Stream) -> None:
    click_id = stream.click()

    def deposit(after_s: float, **fields: Any) -> str:
        sent = cases.postback(click_id, at_ms=NOW_MS + int(after_s * 1000), fields={"event": "deposit", **fields})
        return stream.send(sent)[0][0]

    assert deposit(0) == "recorded"
    assert deposit(9.9) == "duplicate"
    assert deposit(-10) == "duplicate"
    assert deposit(5, payout_minor=100) == "recorded"
    assert deposit(5, currency="EUR") == "recorded"
    assert deposit(5, status="pending") == "recorded"
    assert deposit(10.1) == "recorded"
    assert deposit(10.1, order_id="X") == "recorded"
    assert len(stream.conversions()) == 6


def test_a_conversion_of_an_expired_click_is_stored_rejected(stream: Stream) -> None:
    old_ms = NOW_MS - 31 * 86_400_000
    click_id = stream.click(click_id=cases.mint_at(old_ms), at_ms=old_ms)
    assert stream.send(cases.postback(click_id)) == [("recorded", "click-expired")]
    assert stream.conversions() == [("rejected", "click-expired", 2500, "USD", True)]


def test_poison_is_set_apart_and_the_rest_of_its_batch_is_judged(stream: Stream, database_url: str) -> None:
    click_id = stream.click()
    good = cases.postback_payloads(
        [cases.postback(click_id), cases.postback(click_id, fields={"event": "registration"})]
    )
    bad = [
        "\x00",
        encode_postback(cases.postback(click_id, fields={"event": "unheard-of"})).decode(),
        encode_postback(cases.postback(str(uuid4()))).decode(),
        encode_postback(cases.postback(click_id, fields={"currency": None})).decode(),
        encode_postback(cases.postback(click_id, fields={"payout_minor": AMOUNT_MINOR_MAX + 1})).decode(),
        encode_postback(cases.postback(click_id, at_ms=253_402_300_799_999)).decode(),
        encode_postback(cases.postback(click_id)._replace(fields=None)).decode(),
        orjson.dumps([1]).decode(),
    ]
    store_batch(cases.POSTBACK_SPOOL, 0, [good[0], *bad, good[1]])
    assert len(stream.conversions()) == 2
    progress = "select done, stored, poisoned from spool_progress where spool_id = %s"
    assert cases.rows(database_url, progress, cases.POSTBACK_SPOOL) == [(10, 2, 8)]


def test_a_postback_that_postgresql_refuses_does_not_block_its_batch(stream: Stream, database_url: str) -> None:
    click_id = stream.click()
    with psycopg.connect(database_url) as connection:
        connection.execute("alter table conversions add check (event <> 'qualified')")
    store_batch(
        cases.POSTBACK_SPOOL,
        0,
        cases.postback_payloads(
            [cases.postback(click_id, fields={"event": event}) for event in ("ftd", "qualified", "deposit")]
        ),
    )
    assert len(stream.conversions()) == 2
    kept = cases.rows(database_url, "select spool_number, split_part(reason, ':', 1) from poison_records")
    assert kept == [(1, "refused-by-postgresql")]


def test_the_longest_order_id_in_the_widest_letters_is_stored_and_a_longer_one_is_poison(
    stream: Stream, database_url: str
) -> None:
    click_id = stream.click()
    longest = "".join(chr(0x1F600 + number % 60) for number in range(ORDER_ID_CHARACTERS_MAX))
    assert stream.send(cases.postback(click_id, fields={"order_id": longest}))[0][0] == "recorded"
    assert stream.send(cases.postback(click_id, fields={"order_id": longest}))[0][0] == "duplicate"
    too_long = cases.postback(click_id, fields={"order_id": longest + "x"})
    store_batch(cases.POSTBACK_SPOOL, 2, cases.postback_payloads([too_long]))
    assert cases.rows(database_url, "select order_id from conversions") == [(longest,)]
    assert cases.rows(database_url, "select left(reason, 19) from poison_records") == [("bad-field: order_id",)]


def test_a_batch_of_a_thousand_is_judged_in_parts(stream: Stream, database_url: str) -> None:
    click_id = stream.click()
    sent = [cases.postback(click_id, fields={"order_id": f"A-{number}"}) for number in range(250)]
    store_batch(cases.POSTBACK_SPOOL, 0, cases.postback_payloads(sent), 3)
    progress = "select done, ahead, stored, missing from spool_progress where spool_id = %s"
    assert cases.rows(database_url, progress, cases.POSTBACK_SPOOL) == [(253, [], 250, 3)]
    assert len(stream.conversions()) == 250


def _store_with(own: Resources, spool_id: str, sent: list[Postback]) -> None:
    """Store a batch of postbacks with a thread's own connection, as a process has one."""
    batch = Batch(spool_id, 0, cases.postback_payloads(sent))
    rows, poison = parse_postbacks(batch, Rules(own.click_id_keys, own.now_ms()))
    context = own.database.run(lambda connection: load_context(connection, own.geo.country))
    own.database.run(lambda connection: postbacks._store(connection, own, batch, (rows, poison), context))


@pytest.mark.parametrize(
    "fields", [{"order_id": "A"}, {}, {"event": "deposit"}], ids=["order", "once", "within-window"]
)
@pytest.mark.parametrize("clicked", [True, False], ids=["click-first", "parked-first"])
def test_fifty_equal_postbacks_at_once_make_one_conversion(
    stream: Stream, database_url: str, redis_url: str, fields: dict[str, Any], clicked: bool
) -> None:
    made = cases.click()
    if clicked:
        stream.clicks(made)
    sent = [cases.postback(made.click_id, at_ms=NOW_MS, fields=fields) for _ in range(50)]

    def process(slot: int) -> None:
        own = cases.resources(database_url, redis_url)
        _store_with(own, f"7-{slot}-3fa9c1d2-postbacks", sent[slot::5])
        match_postbacks(own, cases_ids(sent[slot::5]))
        cases.close(own)

    with ThreadPoolExecutor(6) as pool:
        running = [pool.submit(process, slot) for slot in range(5)]
        if not clicked:
            stream.clicks(made)
        for each in running:
            each.result()
    assert len(stream.conversions()) == 1
    outcomes = cases.rows(
        database_url, "select outcome, count(*), count(conversion_id) from postbacks group by 1 order by 1"
    )
    assert outcomes == [("duplicate", 49, 49), ("recorded", 1, 1)]
    deadlocks = "select deadlocks from pg_stat_database where datname = current_database()"
    assert cases.rows(database_url, deadlocks) == [(0,)]


def cases_ids(sent: list[Postback]) -> list[Any]:
    from uuid import UUID

    return [UUID(each.postback_id) for each in sent]


def test_orders_judged_crosswise_do_not_deadlock(stream: Stream, database_url: str, redis_url: str) -> None:
    ids = [stream.click() for _ in range(20)]

    def process(slot: int) -> None:
        own = cases.resources(database_url, redis_url)
        order = ids if slot % 2 else ids[::-1]
        sent = [
            cases.postback(each, fields={"order_id": f"A-{(number + slot) % 20}"}) for number, each in enumerate(order)
        ]
        _store_with(own, f"7-{slot}-3fa9c1d2-postbacks", sent)
        cases.close(own)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(process, range(4)))
    assert len(stream.conversions()) == 20
    deadlocks = "select deadlocks from pg_stat_database where datname = current_database()"
    assert cases.rows(database_url, deadlocks) == [(0,)]


def waiting_for_lock(database_url: str) -> bool:
    query = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    return bool(cases.rows(database_url, query)[0][0])


def test_a_postback_parked_while_its_click_is_about_to_commit_is_matched_by_the_clicks_task(
    stream: Stream, database_url: str, redis_url: str, used: Resources
) -> None:
    made = cases.click()
    make_partitions()
    sent = cases.postback(made.click_id)
    with psycopg.connect(database_url) as blocker, ThreadPoolExecutor(1) as pool:
        # The click is inserted and not committed: its transaction waits at the day counts.
        blocker.execute("lock table click_days")
        storing = pool.submit(stream.clicks, made)
        wait_until(lambda: waiting_for_lock(database_url), what="the click's transaction to wait")
        own = cases.resources(database_url, redis_url)
        _store_with(own, cases.POSTBACK_SPOOL, [sent])
        assert match_postbacks(own, cases_ids([sent])) == 0
        cases.close(own)
        assert stream.outcome(sent) == ("parked", "click-not-stored-yet")
        blocker.commit()
        storing.result(timeout=30)
    assert stream.outcome(sent) == ("recorded", None)


def test_a_click_committed_while_its_postback_is_being_parked_is_matched_by_the_postbacks_task(
    stream: Stream, database_url: str, redis_url: str
) -> None:
    made = cases.click()
    make_partitions()
    sent = cases.postback(made.click_id)
    batch = [*cases.postback_payloads([sent]), "poison"]
    with psycopg.connect(database_url) as blocker, ThreadPoolExecutor(1) as pool:
        # The postback is judged and not committed: its transaction waits to keep the poison record behind it.
        blocker.execute("lock table poison_records")
        storing = pool.submit(store_batch, cases.POSTBACK_SPOOL, 0, batch)
        wait_until(lambda: waiting_for_lock(database_url), what="the postback's transaction to wait")
        own = cases.resources(database_url, redis_url)
        click_batch = Batch(cases.SPOOL, 0, cases.payloads([made]))
        parsed = clicks.parse_clicks(click_batch, Rules(own.click_id_keys, own.now_ms()), clicks.visitors_of(own))
        own.database.run(lambda connection: clicks._store(connection, own, click_batch, parsed))
        assert clicks.match_clicks(own, [made.click_id]) == 0
        cases.close(own)
        blocker.commit()
        storing.result(timeout=30)
    assert stream.outcome(sent) == ("recorded", None)


@pytest.mark.parametrize("within_s", [3600, None])
def test_the_sweep_matches_what_a_killed_process_left(
    stream: Stream, database_url: str, within_s: float | None, used: Resources
) -> None:
    made, never = cases.click(), cases.click()
    sent, waiting = cases.postback(made.click_id), cases.postback(never.click_id)
    stream.send(sent, waiting)
    batch = Batch(cases.SPOOL, 0, cases.payloads([made]))
    parsed = clicks.parse_clicks(batch, Rules(used.click_id_keys, used.now_ms()), clicks.visitors_of(used))
    used.database.run(lambda connection: clicks._store(connection, used, batch, parsed))
    match_parked(within_s)
    assert stream.outcome(sent) == ("recorded", None)
    assert stream.outcome(waiting) == ("parked", "click-not-stored-yet")


def test_the_click_of_a_postback_is_looked_up_in_one_partition(database_url: str) -> None:
    make_partitions()
    with psycopg.connect(database_url) as connection:
        (partitions,) = connection.execute(
            "select count(*) from pg_inherits where inhparent = 'clicks'::regclass"
        ).fetchone() or (0,)
        assert partitions == 9
        cursor = psycopg.ClientCursor(connection)
        cursor.execute("explain " + LOAD_CLICK, [cases.click().click_id])
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert plan.count(" on clicks_") == 1


def test_the_sweep_opens_the_partitions_of_its_clicks_and_no_others(used: Resources) -> None:
    make_partitions()
    connection = used.database.wait()
    partitions = "select relname from pg_locks join pg_class on oid = relation where relname ~ '^clicks_[0-9]+$'"
    with connection.transaction():
        assert stored_click_ids(connection, [UUID(cases.click().click_id)]) == []
        assert len(connection.execute(partitions).fetchall()) == 1


def test_the_sweep_gets_past_postbacks_whose_clicks_never_come(
    stream: Stream, used: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parked, "SWEEP_MAX", 2)
    made = sorted((cases.click() for _ in range(7)), key=lambda each: each.click_id)
    stream.send(*(cases.postback(each.click_id) for each in made), cases.postback(made[6].click_id))
    # Stored by a process that was killed before it looked for postbacks.
    monkeypatch.setattr(clicks, "match_clicks", lambda *_: 0)
    stream.clicks(made[3], made[6])
    assert parked.sweep(used, None) == 3
    assert stream.outcomes() == [("duplicate", 1), ("parked", 5), ("recorded", 2)]


def said(status: str | None, at_ms: int, payout_minor: int = 2500, **fields: Any) -> dict[str, Any]:
    """Return the changes of a postback received at a moment."""
    return {"at_ms": at_ms, "fields": {"status": status, "payout_minor": payout_minor, **fields}}


@pytest.mark.parametrize("order_id", [None, "A-7"])
def test_a_chargeback_stored_before_its_conversion_still_reverses_it(stream: Stream, order_id: str | None) -> None:
    click_id = stream.click()
    chargeback = cases.postback(click_id, **said("reversed", NOW_MS + 50, order_id=order_id))
    conversion = cases.postback(click_id, **said("approved", NOW_MS, order_id=order_id))
    assert stream.send(chargeback) == [("refused", "illegal-transition")]
    assert stream.send(conversion) == [("recorded", None)]
    assert stream.outcome(chargeback) == ("transition", None)
    assert [row[0] for row in stream.conversions()] == ["reversed"]
    assert stream.send(cases.postback(click_id, **said("reversed", NOW_MS + 90, order_id=order_id))) == [
        ("duplicate", "duplicate")
    ]


def test_amounts_stored_out_of_order_end_on_the_newest(stream: Stream) -> None:
    click_id = stream.click()
    moments = {10: 1000, 30: 3000, 20: 2000}
    sent = {ms: cases.postback(click_id, **said("approved", NOW_MS + ms, amount)) for ms, amount in moments.items()}
    for each in sent.values():
        stream.send(each)
    assert [row[2] for row in stream.conversions()] == [3000]
    assert [stream.outcome(sent[ms])[0] for ms in (10, 20, 30)] == ["recorded", "transition", "transition"]


def test_every_order_of_arrival_leads_to_the_same_conversion(stream: Stream) -> None:
    words = [("pending", 1000), ("approved", 1500), (None, 2000), ("reversed", 2000)]
    results = set()
    for order in permutations(range(len(words))):
        click_id = stream.click()
        sent = [
            cases.postback(click_id, **said(word, NOW_MS + 10 * place, amount))
            for place, (word, amount) in enumerate(words)
        ]
        for place in order:
            stream.send(sent[place])
        (row,) = list(stream.conversions_of(click_id))
        results.add((row, tuple(stream.outcome(each) for each in sent)))
    assert results == {
        (("reversed", 2000), (("recorded", None), ("transition", None), ("transition", None), ("transition", None)))
    }
