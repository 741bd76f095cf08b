"""A probe asks at most one question at a time, keeps the answer, and makes nobody wait for long."""

from __future__ import annotations

from threading import Event

from admin_api.health.probe import Probe


def test_an_answer_is_kept_for_a_while() -> None:
    asked: list[int] = []

    def ask() -> int:
        asked.append(1)
        return len(asked)

    kept = Probe("kept", ask, fresh_s=60.0)
    assert [kept.read(), kept.read(), kept.read()] == [1, 1, 1]
    fresh = Probe("fresh", ask, fresh_s=0.0)
    assert [fresh.read(), fresh.read()] == [2, 3]


def test_what_fails_is_not_known_and_is_asked_again() -> None:
    divisors = [0, 1]

    def ask() -> int:
        return 7 // divisors.pop(0)

    probe = Probe("failing", ask, fresh_s=0.0)
    assert [probe.read(), probe.read()] == [None, 7]


def test_a_failure_is_kept_as_long_as_an_answer() -> None:
    asked: list[int] = []

    def ask() -> int:
        asked.append(1)
        raise ValueError("away")

    probe = Probe("failing", ask, fresh_s=60.0)
    assert [probe.read(), probe.read()] == [None, None]
    assert asked == [1]


def test_nobody_waits_for_an_answer_that_does_not_come_and_it_is_asked_for_once() -> None:
    asked: list[int] = []
    answer = Event()

    def ask() -> int:
        asked.append(1)
        answer.wait(20)
        return 5

    probe = Probe("slow", ask, fresh_s=0.0, wait_s=0.01)
    assert [probe.read(), probe.read(), probe.read()] == [None, None, None]
    assert asked == [1]
    answer.set()
