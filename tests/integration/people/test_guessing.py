"""Guessing passwords is slowed down, and nobody is locked out by it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from falcon.testing import Result

from admin_api.people.throttling import UNDER_ATTACK, UNKNOWN
from admin_api.runtime import Database
from people import PASSWORD, People, count

EMAIL = "ada@example.com"
WRONG = "not the password of anybody"


def guess(people: People, address: str, email: str = EMAIL, password: str = WRONG) -> Result:
    return people.browser(address).log_in(email, password)


def test_an_unknown_address_waits_longer_and_longer(people: People) -> None:
    people.user(EMAIL)
    assert [guess(people, "198.51.100.1").status_code for _ in range(UNKNOWN.free)] == [401] * UNKNOWN.free
    for waits in (1, 2, 4):
        refused = guess(people, "198.51.100.1", password=PASSWORD)
        assert (refused.status_code, refused.json["code"]) == (429, "too-many-attempts")
        assert refused.headers["Retry-After"] == str(waits)
        people.clock.move(waits)
        assert guess(people, "198.51.100.1").status_code == 401
    people.clock.move(8)
    assert guess(people, "198.51.100.1", password=PASSWORD).status_code == 200


def test_a_refused_attempt_makes_nobody_wait_longer(people: People) -> None:
    people.user(EMAIL)
    for _ in range(UNKNOWN.free + 20):
        guess(people, "198.51.100.1")
    people.clock.move(1)
    assert guess(people, "198.51.100.1", password=PASSWORD).status_code == 200


def test_whatever_strangers_do_the_right_password_gets_in_where_it_always_did(people: People) -> None:
    people.user(EMAIL)
    for number in range(UNDER_ATTACK + 10):
        guess(people, f"198.51.100.{number}")
    assert people.browser().log_in(EMAIL).status_code == 200
    # An address that nobody has seen has its first guess too, and only that.
    assert guess(people, "203.0.113.1").status_code == 401
    assert guess(people, "203.0.113.1", password=PASSWORD).status_code == 429
    assert guess(people, "203.0.113.2", password=PASSWORD).status_code == 200


def test_an_address_that_tries_many_accounts_waits_at_all_but_those_that_know_it(people: People) -> None:
    people.user(EMAIL)
    for number in range(30):
        assert guess(people, people.browser().address, f"nobody{number}@example.com").status_code == 401
    assert guess(people, people.browser().address, "somebody@example.com").status_code == 429
    assert people.browser().log_in(EMAIL).status_code == 200


def test_an_ipv6_host_cannot_change_its_address_within_its_64(people: People) -> None:
    people.user(EMAIL)
    statuses = [guess(people, f"2001:db8::{number + 1:x}").status_code for number in range(UNKNOWN.free + 1)]
    assert statuses == [401] * UNKNOWN.free + [429]


def test_guesses_at_the_same_time_do_not_share_one_count(people: People) -> None:
    people.user(EMAIL)
    with ThreadPoolExecutor(4) as threads:
        statuses = [
            each.result().status_code
            for each in [threads.submit(guess, people, "198.51.100.1") for _ in range(UNKNOWN.free + 7)]
        ]
    # Whoever finds four others at the hashes is sent away without having guessed.
    guessed = statuses.count(401)
    assert guessed <= UNKNOWN.free
    assert statuses.count(429) == len(statuses) - guessed


def test_the_right_password_without_a_code_is_no_failure(people: People) -> None:
    totp, _ = people.with_second_factor(people.user(EMAIL))
    for _ in range(UNKNOWN.free * 3):
        assert guess(people, "198.51.100.1", password=PASSWORD).json["code"] == "code-required"
    people.clock.move(30)
    got_in = people.browser("198.51.100.1").log_in(EMAIL, totp=totp.at(people.clock.now))
    assert got_in.status_code == 200


def test_wrong_codes_make_the_next_ones_wait(people: People) -> None:
    people.with_second_factor(people.user(EMAIL))
    statuses = [people.browser().log_in(EMAIL, totp=f"{number:06}").status_code for number in range(12)]
    assert statuses == [401] * 10 + [429] * 2


def test_guesses_at_the_password_of_an_open_session_wait_too(people: People) -> None:
    browser = people.user(EMAIL)
    statuses = [browser.request("POST", "/v1/me/totp", {"password": WRONG}).status_code for _ in range(11)]
    assert statuses == [401] * 10 + [429]


def test_counts_are_forgotten_after_an_hour_and_their_rows_go(
    people: People, database: Database, database_url: str
) -> None:
    people.user(EMAIL)
    for _ in range(UNKNOWN.free):
        guess(people, "198.51.100.1")
    people.clock.move(timedelta(hours=1, seconds=1).total_seconds())
    assert guess(people, "198.51.100.1").status_code == 401
    assert guess(people, "198.51.100.1").status_code == 401
    assert count(database_url, "select max(failures) from login_failures") == 2
    people.clock.move(timedelta(hours=1, seconds=1).total_seconds())
    people.browser().log_in(EMAIL)
    left = database.execute("select count(*) as n from login_failures where failures > 0").fetchone()
    assert left == {"n": 0}


def test_an_address_is_known_for_90_days_after_the_last_login(
    people: People, database: Database, database_url: str
) -> None:
    people.user(EMAIL)
    people.browser("198.51.100.1").log_in(EMAIL)
    people.clock.move(timedelta(days=89).total_seconds())
    people.browser().log_in(EMAIL)
    people.clock.move(timedelta(days=2).total_seconds())
    statuses = [guess(people, "198.51.100.1").status_code for _ in range(UNKNOWN.free + 1)]
    assert statuses[-1] == 429
    assert [guess(people, people.browser().address).status_code for _ in range(UNKNOWN.free + 1)][-1] == 401
    assert people.browser().log_in(EMAIL).status_code == 200
    assert count(database_url, "select count(*) from known_addresses") == 1
