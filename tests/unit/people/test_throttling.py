"""How long a login has to wait: it slows down guessing and locks nobody out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from admin_api.people.throttling import ADDRESS, FORGOTTEN_AFTER, UNDER_ATTACK, Failures, History, wait_s

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
NONE = Failures()


def failed(number: int, seconds_ago: float = 0) -> Failures:
    return Failures(number, NOW - timedelta(seconds=seconds_ago))


def test_the_first_login_does_not_wait() -> None:
    assert wait_s(History(NONE, NONE, NONE, known=False), NOW) == 0


@pytest.mark.parametrize(("number", "waits"), [(4, 0), (5, 1), (6, 2), (10, 32), (15, 900), (1_000_000, 900)])
def test_waits_at_an_unknown_address_double_up_to_a_quarter_of_an_hour(number: int, waits: int) -> None:
    assert wait_s(History(failed(number), NONE, NONE, known=False), NOW) == waits


@pytest.mark.parametrize(("number", "waits"), [(9, 0), (10, 1), (13, 8), (1_000_000, 30)])
def test_at_a_known_address_a_wait_is_half_a_minute_at_most(number: int, waits: int) -> None:
    assert wait_s(History(failed(number), NONE, NONE, known=True), NOW) == waits


def test_what_strangers_did_says_nothing_to_a_known_address() -> None:
    assert wait_s(History(NONE, failed(1_000_000), failed(1_000_000), known=True), NOW) == 0


def test_an_account_under_attack_gives_every_unknown_address_one_guess() -> None:
    attacked = failed(UNDER_ATTACK, 60)
    assert wait_s(History(NONE, NONE, attacked, known=False), NOW) == 0
    assert wait_s(History(failed(1), NONE, attacked, known=False), NOW) == 1
    assert wait_s(History(failed(1), NONE, failed(UNDER_ATTACK - 1), known=False), NOW) == 0


def test_an_address_that_fails_at_many_accounts_waits_at_each() -> None:
    assert wait_s(History(NONE, failed(ADDRESS.free - 1), NONE, known=False), NOW) == 0
    assert wait_s(History(NONE, failed(ADDRESS.free + 3), NONE, known=False), NOW) == 8


def test_a_wait_passes_with_the_time_since_the_last_failure() -> None:
    assert wait_s(History(failed(8, seconds_ago=5), NONE, NONE, known=False), NOW) == 3
    assert wait_s(History(failed(8, seconds_ago=8), NONE, NONE, known=False), NOW) == 0


def test_failures_are_forgotten_after_an_hour() -> None:
    old = failed(1_000_000, FORGOTTEN_AFTER.total_seconds())
    assert wait_s(History(old, old, old, known=False), NOW) == 0
