"""The oracle of the fault runs can fail: each class of trouble is found where it is, and a plan replays by its seed."""

from __future__ import annotations

from typing import Any

from loadtests.faults.attacks import Done
from loadtests.faults.menu import EDGE_WORKER, FILL, FLUSH, KILL, RELOAD, STEP, Fault, plan
from loadtests.faults.oracle import NOT_LOGGED, RECORDED, UNANSWERED, Answer, Verdict, judge
from loadtests.faults.requests import Link, attempt_in, request_of, stored_as
from loadtests.faults.run import unexplained
from loadtests.faults.servers import Limits
from loadtests.faults.traffic import Lane, Mishap

LINKS = (Link(1, 1, "a.example", "one", (None,) * 10), Link(2, 1, "a.example", "two", (None, "two", *[None] * 8)))
SEED = 7


def answer(attempt: str, click_id: str | None = None, outcome: str = RECORDED) -> Answer:
    return Answer(outcome, click_id, f"https://m.example/{attempt}", 1000, 1005)


def row(attempt: str, click_id: str, **changes: Any) -> dict[str, Any]:
    stored = stored_as(request_of(SEED, attempt, LINKS), f"https://m.example/{attempt}", "127.0.0.1")
    return stored | {"click_id": click_id, "clicked_at_ms": 1002} | changes


def verdict_of(answers: dict[str, Answer], *rows: dict[str, Any]) -> Verdict:
    def expected(attempt: str, given: Answer) -> dict[str, Any]:
        return stored_as(request_of(SEED, attempt, LINKS), given.location, "127.0.0.1")

    return judge(answers, rows, attempt_in, expected)


def test_what_was_answered_and_is_stored_as_sent_is_ok() -> None:
    verdict = verdict_of({"1": answer("1", "c1"), "2": answer("2", "c2")}, row("1", "c1"), row("2", "c2"))
    assert (verdict.ok, verdict.clean) == (2, True)


def test_an_answered_click_without_a_row_is_lost() -> None:
    assert verdict_of({"1": answer("1", "c1")}).lost == 1


def test_a_click_stored_under_another_id_than_was_answered_is_lost_and_unexpected() -> None:
    verdict = verdict_of({"1": answer("1", "c1")}, row("1", "c9"))
    assert (verdict.lost, verdict.unexpected) == (1, 1)


def test_an_attempt_stored_twice_and_an_id_given_twice_are_duplicated() -> None:
    assert verdict_of({"1": answer("1", "c1")}, row("1", "c1"), row("1", "c2")).duplicated == 1
    assert verdict_of({"1": answer("1", "c1"), "2": answer("2", "c1")}, row("1", "c1"), row("2", "c1")).duplicated == 1


def test_a_row_that_nobody_sent_is_unexpected_and_so_is_one_that_was_declared_lost() -> None:
    assert verdict_of({}, row("1", "c1")).unexpected == 1
    assert verdict_of({"1": answer("1", None, NOT_LOGGED)}, row("1", "c1")).unexpected == 1


def test_an_unanswered_attempt_may_be_stored_or_not() -> None:
    verdict = verdict_of({"1": answer("1", None, UNANSWERED), "2": answer("2", None, UNANSWERED)}, row("1", "c1"))
    assert (verdict.clean, verdict.unanswered, verdict.unanswered_stored) == (True, 2, 1)


def test_every_single_changed_field_is_altered() -> None:
    for name in (*stored_as(request_of(SEED, "1", LINKS), "", ""), "clicked_at_ms"):
        verdict = verdict_of({"1": answer("1", "c1")}, row("1", "c1", **{name: 99_999 if name.endswith("ms") else "?"}))
        assert verdict.altered == (name != "query"), name


def test_a_plan_replays_by_its_seed_and_holds_every_kind() -> None:
    assert plan(5, 330, 300) == plan(5, 330, 300)
    assert plan(5, 330, 300) != plan(6, 330, 300)
    assert {KILL, FLUSH, FILL, STEP, RELOAD} <= {fault.kind for fault in plan(5, 24, 25)}
    assert STEP not in {fault.kind for fault in plan(5, 330, 300, frozenset({STEP}))}
    assert sum(fault.kind == KILL for fault in plan(5, 330, 300)) >= 200


def test_a_broken_connection_is_explained_by_a_fault_at_the_edge_and_by_a_step_only_where_that_closes_it() -> None:
    lane = Lane("0", "127.0.0.1", broken=[Mishap(101.0, "RemoteDisconnected")])
    by_wall_clock = Limits(idle_by_wall_clock=True)
    killed = [Done(100.0, 100.0, Fault(0.0, KILL, EDGE_WORKER))]
    stepped = [Done(100.0, 103.0, Fault(0.0, STEP, amount=600))]
    assert not unexplained([lane], killed, Limits())
    assert unexplained([lane], stepped, Limits()) == {"RemoteDisconnected": 1}
    assert not unexplained([lane], stepped, by_wall_clock)
    assert unexplained([lane], [Done(100.0, 100.0, Fault(0.0, KILL, "clicks"))], by_wall_clock)


def test_a_connection_broken_by_the_intake_is_explained_by_a_fault_there_alone() -> None:
    lane = Lane("0", "127.0.0.1", broken_intake=[Mishap(101.0, "intake: RemoteDisconnected")])
    assert not unexplained([lane], [Done(100.0, 100.0, Fault(0.0, KILL, "intake"))], Limits())
    assert unexplained([lane], [Done(100.0, 100.0, Fault(0.0, KILL, EDGE_WORKER))], Limits()).total() == 1
    lane = Lane("0", "127.0.0.1", broken=[Mishap(101.0, "RemoteDisconnected")])
    assert unexplained([lane], [Done(100.0, 100.0, Fault(0.0, KILL, "intake"))], Limits()).total() == 1
