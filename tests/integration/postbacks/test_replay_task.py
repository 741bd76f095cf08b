"""Postbacks are read and judged again: dry or for good, in parts, by any number of processes, never twice."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import time
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.types.json import Jsonb
from redis import Redis
from rq import Queue

import worker_cases as cases
from tracking.postbacks import PostbackError, account_rules, parse_fields, parse_parameters
from tracking.runtime import FieldError, JobSerializer
from tracking.spool import Postback
from worker.clicks import task as clicks
from worker.postbacks import replay, replay_table, store_batch
from worker.postbacks.reparsing import FINAL_REASONS, reparse
from worker.postbacks.replay_table import load_postbacks
from worker.runtime import PermanentError, Resources

EVENTS = frozenset({"registration", "ftd", "deposit", "qualified", "revenue_share", "conversion"})


@pytest.fixture(autouse=True)
def used(database_url: str, redis_url: str) -> Iterator[Resources]:
    with cases.installed(database_url, redis_url) as used:
        yield used


class Account:
    """Account 1 as its merchant and its operator see it."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._numbers = {cases.SPOOL: 0, cases.POSTBACK_SPOOL: 0}
        self._mapping: dict[str, Any] = {}

    def click(self, **changes: Any) -> str:
        made = cases.click(**changes)
        clicks.store_batch(cases.SPOOL, self._take(cases.SPOOL, 1), cases.payloads([made]))
        return made.click_id

    def map(self, **mapping: Any) -> None:
        """Change how the account's postbacks are read."""
        self._mapping |= mapping
        for name, value in mapping.items():
            self.run(
                f"update merchants set {name} = %s where merchant_id = 1", value if value is None else Jsonb(value)
            )

    def send(self, query: str, **changes: Any) -> Postback:
        """Receive a postback as the edge does, with the mapping of now, and store it."""
        sent = self.received(query, **changes)
        store_batch(cases.POSTBACK_SPOOL, self._take(cases.POSTBACK_SPOOL, 1), cases.postback_payloads([sent]))
        return sent

    def received(self, query: str, **changes: Any) -> Postback:
        """Return a postback as the edge reads it with the mapping of now."""
        sent = cases.postback("", query=query, body="")._replace(fields=None)
        rules = account_rules(1, "USD", self._mapping, EVENTS)
        try:
            fields = parse_fields(parse_parameters(query, "", b""), [cases.KEY], rules)
            return sent._replace(**{"fields": fields} | changes)
        except (PostbackError, FieldError) as error:
            reason = error.code if isinstance(error, PostbackError) else "bad-field"
            return sent._replace(**{"answered": 400, "reason": str(reason), "detail": error.message} | changes)

    def replay(self, dry: bool = False, **wanted: Any) -> int:
        """Ask for a replay, of all postbacks where nothing else is said, do it, and return its id."""
        replay_id = self.ask(dry, **wanted)
        replay.run_replay(replay_id)
        return replay_id

    def ask(self, dry: bool = False, **wanted: Any) -> int:
        wanted = wanted or {"from": "2020-01-01T00:00:00+00:00"}
        query = "insert into replays (filter, dry) values (%s, %s) returning replay_id"
        with psycopg.connect(self._url, autocommit=True) as connection:
            row = connection.execute(query, [Jsonb(wanted), dry]).fetchone()
        assert row is not None
        return int(row[0])

    def run(self, query: str, *values: object) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(query, values)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return cases.rows(self._url, query, *values)

    def postback(self, sent: Postback) -> tuple[Any, ...]:
        """Return answered, outcome, reason and event."""
        query = "select answered, outcome, reason, event from postbacks where postback_id = %s"
        (row,) = self.rows(query, sent.postback_id)
        return row

    def conversions(self) -> list[tuple[Any, ...]]:
        """Return event, status, reason and amount."""
        return self.rows("select event, status, reason, payout_minor from conversions order by received_at, updated_at")

    def state(self, replay_id: int) -> tuple[Any, ...]:
        """Return state, found, examined and changed."""
        (row,) = self.rows("select state, found, examined, changed from replays where replay_id = %s", replay_id)
        return row

    def judgements(self, replay_id: int) -> list[tuple[Any, ...]]:
        query = (
            "select changed, before, after, note from postback_judgements where replay_id = %s order by judgement_id"
        )
        return self.rows(query, replay_id)

    def _take(self, spool: str, count: int) -> int:
        self._numbers[spool] += count
        return self._numbers[spool] - count


@pytest.fixture
def account(database_url: str) -> Account:
    return Account(database_url)


def everything(database_url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return all that a dry replay must leave alone."""
    queries = {
        "postbacks": "select * from postbacks order by postback_id",
        "conversions": "select * from conversions order by conversion_id",
        "changes": "select * from conversion_changes order by change_id",
        "issues": "select * from issues order by issue_id",
        "entries": "select * from entries order by entry_id",
    }
    return {name: cases.rows(database_url, query) for name, query in queries.items()}


def test_what_the_account_now_maps_is_recorded_and_keeps_what_it_was_answered(account: Account) -> None:
    click_id = account.click()
    sent = account.send(f"click_id={click_id}&event=big_win&payout=25")
    assert account.postback(sent) == (400, "refused", "bad-field", None)
    account.map(event_words={"big_win": "ftd"})
    replay_id = account.replay()
    assert account.postback(sent) == (400, "recorded", None, "ftd")
    assert account.conversions() == [("ftd", "approved", None, 2500)]
    assert account.rows("select detail, claimed from postbacks") == [(None, True)]
    assert account.rows("select cause, postback_id::text from conversion_changes") == [("replay", sent.postback_id)]
    assert account.state(replay_id) == ("done", 1, 1, 1)
    ((changed, before, after, note),) = account.judgements(replay_id)
    assert (changed, note, before["outcome"], before["reason"]) == (True, None, "refused", "bad-field")
    assert (after["outcome"], after["event"], after["conversion"]["payout_minor"]) == ("recorded", "ftd", 2500)
    assert account.rows("select outcomes from replays") == [({"refused": {"recorded": 1}},)]


def test_a_dry_replay_shows_what_would_become_of_postbacks_and_writes_nothing_else(
    account: Account, database_url: str
) -> None:
    click_id = account.click()
    account.send(f"click_id={click_id}&event=registration")
    first = account.send(f"click_id={click_id}&event=big_win&payout=25&order_id=A")
    # Understood only by a correction, so that a replay for good would open an issue.
    again = account.send(f"click_id=null&x={click_id}&event=big_win&payout=25&order_id=A")
    account.map(event_words={"big_win": "ftd"})
    before = everything(database_url)
    replay_id = account.replay(dry=True)
    assert everything(database_url) == before
    assert account.state(replay_id) == ("done", 3, 3, 2)
    recorded, made, duplicate = [after for _, _, after, _ in account.judgements(replay_id)]
    assert recorded["conversion_id"] is not None
    assert (made["outcome"], made["conversion"]["status"], made["conversion_id"]) == ("recorded", "approved", None)
    assert (duplicate["outcome"], duplicate["conversion_id"]) == ("duplicate", None)
    account.replay()
    assert [account.postback(each)[1] for each in (first, again)] == ["recorded", "duplicate"]
    assert account.rows("select kind from issues") == [("corrected-postback",)]


def test_replaying_what_counted_changes_nothing(account: Account, database_url: str) -> None:
    click_id = account.click()
    for query in ("event=ftd&status=pending", "event=ftd&status=approved", "event=ftd", "event=deposit&payout=5"):
        account.send(f"click_id={click_id}&{query}")
    account.send(f"click_id={click_id}&event=ftd&status=pending")
    other = cases.click()
    account.send(f"click_id={other.click_id}&event=ftd")
    before = everything(database_url)
    assert [row[0] for row in cases.rows(database_url, "select outcome from postbacks order by received_at")] == [
        *("recorded", "transition", "duplicate", "recorded", "refused", "parked")
    ]
    for _ in range(2):
        assert account.state(account.replay()) == ("done", 6, 6, 0)
    assert everything(database_url)["conversions"] == before["conversions"]
    assert everything(database_url)["changes"] == before["changes"]
    assert account.rows("select count(*) from conversion_changes where cause = 'replay'") == [(0,)]


def test_another_event_replaces_the_conversion_of_every_postback_about_it(account: Account) -> None:
    click_id = account.click()
    query = f"click_id={click_id}&event=sale&payout=25&order_id=A"
    first, second = account.send(query), account.send(f"{query}&status=approved&x=1")
    assert [account.postback(each)[1] for each in (first, second)] == ["recorded", "duplicate"]
    account.map(event_words={"sale": "deposit"})
    account.replay()
    assert [account.postback(each)[1:] for each in (first, second)] == [
        ("recorded", None, "deposit"),
        ("duplicate", "duplicate", "deposit"),
    ]
    assert sorted(account.conversions()) == [
        ("conversion", "reversed", "replaced", 2500),
        ("deposit", "approved", None, 2500),
    ]
    assert account.state(account.replay())[3] == 0
    account.map(event_words={})
    account.replay()
    assert sorted(account.conversions()) == [
        ("conversion", "approved", None, 2500),
        ("conversion", "reversed", "replaced", 2500),
        ("deposit", "reversed", "replaced", 2500),
    ]


def test_one_of_two_postbacks_about_a_conversion_that_says_something_else_leaves_it_to_the_other(
    account: Account,
) -> None:
    click_id = account.click()
    first = account.send(f"click_id={click_id}&event=sale&payout=25&order_id=A")
    second = account.send(f"click_id={click_id}&event=conversion&payout=30&order_id=A")
    assert account.postback(second)[1] == "transition"
    account.map(event_words={"sale": "deposit"})
    account.replay(postback_ids=[first.postback_id])
    assert [account.postback(each)[1] for each in (first, second)] == ["recorded", "recorded"]
    assert sorted(account.conversions()) == [
        ("conversion", "approved", None, 3000),
        ("deposit", "approved", None, 2500),
    ]


def test_another_amount_is_the_same_conversion_with_that_amount(account: Account) -> None:
    click_id = account.click()
    sent = account.send(f"click_id={click_id}&event=ftd&payout=25&net=20")
    (made,) = account.rows("select conversion_id from conversions")
    account.map(parameter_names={"payout": ["net"]})
    account.replay()
    assert account.rows("select conversion_id from conversions") == [made]
    assert account.conversions() == [("ftd", "approved", None, 2000)]
    assert account.postback(sent)[1] == "recorded"


def test_what_can_no_longer_be_read_keeps_what_it_did(account: Account) -> None:
    account.map(event_words={"big_win": "ftd"})
    click_id = account.click()
    sent = account.send(f"click_id={click_id}&event=big_win")
    account.map(event_words={})
    replay_id = account.replay()
    assert account.postback(sent) == (200, "recorded", None, "ftd")
    ((changed, _, _, note),) = account.judgements(replay_id)
    assert not changed
    assert note.startswith("it counted, and stays so although it can no longer be read: event 'big_win'")


@pytest.mark.parametrize("reason", sorted(FINAL_REASONS))
def test_what_was_refused_for_who_sent_it_stays_refused(account: Account, reason: str) -> None:
    click_id = account.click()
    sent = account.send(f"click_id={click_id}&event=ftd", answered=401, reason=reason, fields=None)
    replay_id = account.replay()
    assert account.postback(sent)[1:3] == ("refused", str(reason))
    assert account.conversions() == []
    assert account.judgements(replay_id)[0][3] == f"what was refused as {reason} stays so: send it anew"


def test_a_click_that_is_not_expired_any_more_is_looked_at_again(account: Account) -> None:
    old_ms = int(time() * 1000) - 40 * 86_400_000
    click_id = account.click(click_id=cases.mint_at(old_ms), at_ms=old_ms)
    for event in ("ftd", "deposit"):
        account.send(f"click_id={click_id}&event={event}&payout=5")
    assert [row[1:3] for row in account.conversions()] == [("rejected", "click-expired")] * 2
    assert account.state(account.replay())[3] == 0
    account.run("update profiles set click_expiry_days = 60")
    account.replay()
    assert [row[1:3] for row in account.conversions()] == [("approved", None)] * 2
    account.run("update profiles set click_expiry_days = 10")
    assert account.state(account.replay())[3] == 0


def test_what_an_operator_decided_stands_when_another_postback_is_read_anew(account: Account) -> None:
    account.run("update event_types set approval = 'manual' where event = 'ftd'")
    click_id = account.click()
    account.send(f"click_id={click_id}&event=ftd&order_id=A&payout=25")
    assert account.conversions() == [("ftd", "pending", "manual-review", 2500)]
    with psycopg.connect(account._url) as connection:
        connection.execute("select set_config('waypost.cause', 'operator', true)")
        connection.execute("update conversions set status = 'approved', reason = null")
    account.map(event_words={"late": "ftd"})
    account.send(f"click_id={click_id}&event=ftd&order_id=A&payout=30")
    assert account.conversions() == [("ftd", "approved", None, 3000)]
    early = account.received(f"click_id={click_id}&event=late&order_id=A&payout=20", at_ms=int(time() * 1000) - 60_000)
    store_batch(cases.POSTBACK_SPOOL, 2, cases.postback_payloads([early]))
    assert account.conversions() == [("ftd", "approved", None, 3000)]


def test_a_filter_chooses_and_what_comes_later_is_not_part_of_it(account: Account) -> None:
    click_id = account.click()
    refused = account.send(f"click_id={click_id}&event=big_win")
    other = account.send("event=ftd")
    account.map(event_words={"big_win": "ftd"})
    for wanted in (
        {"outcome": "recorded"},
        {"reason": "bad-body"},
        {"merchant_id": 2},
        {"event": "ftd"},
        {"from": "2100-01-01T00:00:00+00:00"},
        {"to": "2020-01-01T00:00:00+00:00"},
        {"postback_ids": [other.postback_id]},
    ):
        account.replay(**wanted)
        assert account.postback(refused)[1] == "refused", wanted
    replay_id = account.ask(outcome="refused", merchant_id=1)
    account.send("event=ftd&later=1")
    replay.run_replay(replay_id)
    assert account.state(replay_id) == ("done", 2, 2, 1)


def test_a_replay_works_in_turns_and_queues_up_behind_what_came_meanwhile(
    account: Account, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "PART_MAX", 2)
    monkeypatch.setattr(replay, "TURN_S", 0.0)
    click_id = account.click()
    for number in range(5):
        account.send(f"click_id={click_id}&event=big_win&order_id={number}")
    account.map(event_words={"big_win": "ftd"})
    replay_id = account.ask()
    with Redis.from_url(redis_url) as redis:
        queue = Queue("postbacks", connection=redis, serializer=JobSerializer)
        for turns, state in ((1, ("running", 5, 2, 2)), (2, ("running", 5, 4, 4)), (3, ("running", 5, 5, 5))):
            replay.run_replay(replay_id)
            assert account.state(replay_id) == state
            assert len(queue) == turns
        assert {tuple(job.args) for job in queue.jobs} == {(replay_id,)}
        replay.run_replay(replay_id)
        assert account.state(replay_id) == ("done", 5, 5, 5)
        replay.run_replay(replay_id)
        assert account.state(replay_id) == ("done", 5, 5, 5)
    assert len(account.conversions()) == 5


@pytest.mark.parametrize("step", ["save_judgements", "save_progress", "load_snapshots", "lock_claims"])
def test_a_connection_lost_in_the_middle_of_a_part_does_it_once(
    account: Account, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    click_id = account.click()
    for number in range(3):
        account.send(f"click_id={click_id}&event=big_win&order_id={number}")
    account.map(event_words={"big_win": "ftd"})
    real, failed = getattr(replay, step), []

    def lost(connection: Any, *arguments: Any) -> Any:
        result = real(connection, *arguments)
        if not failed:
            failed.append(step)
            connection.close()
            raise psycopg.OperationalError("the connection is lost")
        return result

    monkeypatch.setattr(replay, step, lost)
    replay_id = account.replay()
    assert failed == [step]
    assert account.state(replay_id) == ("done", 3, 3, 3)
    assert account.rows("select count(*) from conversions") == [(3,)]
    assert account.rows("select count(*) from conversion_changes") == [(3,)]


def test_replays_at_once_make_one_conversion_each(
    account: Account, database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "PART_MAX", 7)
    ids = [account.click() for _ in range(4)]
    for number in range(60):
        account.send(f"click_id={ids[number % 4]}&event=big_win&order_id={number // 2}")
    account.map(event_words={"big_win": "ftd"})
    replays = [account.ask() for _ in range(2)]
    others = [cases.resources(database_url, redis_url) for _ in range(4)]

    def process(slot: int) -> None:
        while others[slot].database.run(lambda connection: replay._work(connection, others[slot], replays[slot // 2])):
            pass

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(process, range(4)))
    for replay_id in replays:
        replay.run_replay(replay_id)
        assert account.state(replay_id)[:3] == ("done", 60, 60)
        assert len(account.judgements(replay_id)) == 60
    for other in others:
        cases.close(other)
    # An order counts for the click it was first reported for; the other click's report of it is refused.
    assert account.rows("select count(*), count(distinct duplicate_key) from conversions") == [(30, 30)]
    assert account.rows("select count(*) from conversion_changes") == [(30,)]
    deadlocks = "select deadlocks from pg_stat_database where datname = current_database()"
    assert account.rows(deadlocks) == [(0,)]


def test_a_replay_whose_job_was_lost_is_queued_up_again(account: Account, redis_url: str) -> None:
    lost, fresh, done = account.ask(), account.ask(), account.replay()
    account.run("update replays set updated_at = now() - interval '1 hour' where replay_id in (%s, %s)", lost, done)
    replay.resume_replays()
    with Redis.from_url(redis_url) as redis:
        jobs = Queue("postbacks", connection=redis, serializer=JobSerializer).jobs
    assert [tuple(job.args) for job in jobs] == [(lost,)]
    assert account.state(fresh)[0] == "waiting"


def test_a_replay_that_cannot_be_done_says_why_and_is_not_tried_for_ever(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise KeyError("a fault of ours")

    account.send("event=ftd")
    monkeypatch.setattr(replay, "reparse", broken)
    replay_id = account.ask()
    with pytest.raises(KeyError):
        replay.run_replay(replay_id)
    assert account.rows("select state, error from replays") == [("failed", "KeyError: 'a fault of ours'")]


def test_a_postback_that_postgresql_refuses_does_not_block_a_replay(account: Account) -> None:
    click_id = account.click()
    bad = account.send(f"click_id={click_id}&event=big_win&order_id=bad")
    good = account.send(f"click_id={click_id}&event=big_win&order_id=good")
    account.map(event_words={"big_win": "ftd"})
    account.run("alter table conversions add check (order_id <> 'bad')")
    replay_id = account.replay()
    assert [account.postback(each)[1] for each in (bad, good)] == ["refused", "recorded"]
    notes = [note for _, _, _, note in account.judgements(replay_id)]
    assert notes[0].startswith("PostgreSQL refused it: ")
    assert notes[1] is None


def test_a_text_beyond_ascii_reads_as_it_did(account: Account) -> None:
    click_id = account.click()
    sent = account.send(f"click_id={click_id}&event=r%C3%A9g&order_id=caf\xc3\xa9")
    account.map(event_words={"rég": "registration"})
    account.replay()
    assert account.postback(sent) == (400, "recorded", None, "registration")
    assert account.rows("select order_id from conversions") == [("café",)]


def test_a_parked_postback_is_judged_when_its_click_came_and_stays_parked_when_not(account: Account) -> None:
    made = cases.click()
    sent = account.send(f"click_id={made.click_id}&event=ftd")
    assert account.state(account.replay())[3] == 0
    assert account.postback(sent)[1:3] == ("parked", "click-not-stored-yet")


def test_a_stored_request_says_what_the_edge_read_of_it(account: Account, used: Resources) -> None:
    click_id = account.click()
    sent = account.send(f"subid={click_id}&goal=FTD&sum=1%2C50&txid=9&status=2")
    (stored,) = used.database.run(lambda connection: load_postbacks(connection, [UUID(sent.postback_id)]))
    reading = reparse(stored, account_rules(1, "USD", {}, EVENTS), [cases.KEY])
    assert reading.claim is not None
    assert reading.claim == stored.claim
    assert list(reading.corrections) == stored.corrections
    assert (reading.claim.payout_minor, reading.claim.status) == (150, "pending")


def test_a_signed_postback_that_came_again_under_its_id_is_not_counted_by_a_replay(account: Account) -> None:
    click_id = account.click()
    refused = account.send(f"click_id={click_id}&event=big_win", nonce="msg_1")
    account.map(event_words={"big_win": "deposit"})
    # The merchant sent it once more instead, long after the window in which identical ones are one.
    sent = account.send(f"click_id={click_id}&event=big_win", nonce="msg_1", at_ms=int(time() * 1000) + 60_000)
    assert account.postback(sent)[1] == "recorded"
    account.replay()
    assert account.postback(refused)[1:3] == ("refused", "replayed")
    assert len(account.conversions()) == 1


def test_a_signed_postback_is_counted_by_its_replay_and_not_when_it_comes_again(account: Account) -> None:
    click_id = account.click()
    account.send(f"click_id={click_id}&event=big_win", nonce="msg_1")
    account.map(event_words={"big_win": "deposit"})
    account.replay()
    sent = account.send(f"click_id={click_id}&event=big_win", nonce="msg_1", at_ms=int(time() * 1000) + 60_000)
    assert account.postback(sent)[1:3] == ("refused", "replayed")
    assert account.state(account.replay())[3] == 0
    assert len(account.conversions()) == 1


def test_a_dry_replay_in_parts_shows_what_one_for_good_does(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "PART_MAX", 1)
    one, other = account.click(), account.click()
    for query in (
        f"click_id={one}&event=win&order_id=A&payout=5&status=pending",
        f"click_id={other}&event=registration",
        f"click_id={one}&event=win&order_id=A&payout=5&status=pending",
        f"click_id={other}&event=win&order_id=A&payout=5",
        f"click_id={one}&event=win&order_id=A&payout=7&status=approved",
        f"click_id={one}&event=won",
        f"click_id={one}&event=won",
    ):
        account.send(query)
    account.map(event_words={"win": "deposit", "won": "ftd"})

    def outcomes(replay_id: int) -> list[tuple[str, str | None, bool]]:
        return [(after["outcome"], after["reason"], changed) for changed, _, after, _ in account.judgements(replay_id)]

    dry = outcomes(account.replay(dry=True))
    assert dry == [
        ("recorded", None, True),
        ("recorded", None, False),
        ("duplicate", "duplicate", True),
        ("refused", "order-of-another-click", True),
        ("transition", None, True),
        ("recorded", None, True),
        ("duplicate", "duplicate", True),
    ]
    assert outcomes(account.replay()) == dry


@pytest.mark.parametrize(("word", "status", "entries"), [("approved", "reversed", 0), ("pending", "rejected", 0)])
def test_a_conversion_that_no_postback_reports_any_more_is_taken_back(
    account: Account, word: str, status: str, entries: int
) -> None:
    account.map(status_words={"x": word})
    sent = account.send(f"click_id={account.click()}&event=ftd&payout=25&status=x&order_id=A")
    account.map(status_words={"x": "reversed"})
    replay_id = account.replay()
    assert account.postback(sent) == (200, "refused", "illegal-transition", "ftd")
    assert account.conversions() == [("ftd", status, "replaced", 2500)]
    assert account.rows("select coalesce(sum(amount_minor), 0) from entries") == [(entries,)]
    (_, _, after, _) = account.judgements(replay_id)[0]
    assert after["conversion_id"] is None
    # Its order is free again.
    account.map(status_words={})
    account.send(f"click_id={sent.query.split('&')[0].removeprefix('click_id=')}&event=ftd&payout=30&order_id=A")
    assert ("ftd", "approved", None, 3000) in account.conversions()


def test_a_replay_that_is_too_large_to_count_is_done_all_the_same(
    account: Account, database_url: str, used: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_table, "COUNT_TIMEOUT_MS", 1)
    monkeypatch.setattr(replay_table, "_COUNT", f"select count(*), pg_sleep(1) {replay_table._CHOSEN}")
    account.send(f"click_id={account.click()}&event=ftd&payout=25")
    assert account.state(account.replay()) == ("done", None, 1, 0)


def test_a_replay_whose_postbacks_no_index_finds_fails_and_says_what_to_do(
    account: Account, used: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.send(f"click_id={account.click()}&event=ftd&payout=25")
    used.database.wait().execute("set statement_timeout = 50")
    monkeypatch.setattr(
        replay_table, "_PART", replay_table._PART.replace("select p.postback_id", "select p.postback_id, pg_sleep(1)")
    )
    replay_id = account.ask()
    with pytest.raises(PermanentError):
        replay.run_replay(replay_id)
    ((state, error),) = account.rows("select state, error from replays")
    assert state == "failed"
    assert "give the filter from and to" in error
