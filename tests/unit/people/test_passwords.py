"""Hashing passwords: what is stored, and that many logins at a time cannot take every thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event, Semaphore

import pytest
from argon2 import PasswordHasher

from admin_api.people.errors import BusyError
from admin_api.people.passwords import CONCURRENT_HASHES, HASHER, WAITING_HASHES, Passwords, check_password
from tracking.runtime import FieldError

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def test_a_hash_is_argon2id_with_the_parameters_that_owasp_asks_for() -> None:
    assert (HASHER.type.name, HASHER.time_cost >= 2, HASHER.memory_cost >= 19 * 1024) == ("ID", True, True)


def test_the_right_password_is_right_and_no_other() -> None:
    passwords = Passwords(QUICK)
    stored = passwords.hash("a long enough password")
    assert passwords.verify("a long enough password", stored)
    assert not passwords.verify("a long enough passworD", stored)
    assert not passwords.verify("a long enough password", None)
    assert not passwords.verify("a long enough password", "$argon2id$no-hash")


def test_nobody_has_the_password_that_unknown_accounts_are_compared_with() -> None:
    assert not Passwords(QUICK).verify("the password of nobody", None)


def test_a_hash_of_other_parameters_is_outdated() -> None:
    stored = Passwords(QUICK).hash("a long enough password")
    assert not Passwords(QUICK).is_outdated(stored)
    assert Passwords(PasswordHasher(time_cost=2, memory_cost=8, parallelism=1)).is_outdated(stored)


class SlowHasher(PasswordHasher):
    """Hashes when a test lets it, and says how many it does at a time."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.begun = Semaphore(0)
        self.go_on = Event()

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        self.begun.release()
        assert self.go_on.wait(10)
        return super().hash(password, salt=salt)


def test_two_hashes_are_computed_at_a_time_and_who_comes_beyond_the_queue_is_sent_away() -> None:
    hasher = SlowHasher()
    passwords = Passwords(hasher)
    admitted = CONCURRENT_HASHES + WAITING_HASHES
    everybody = Barrier(admitted + 3)

    def one(number: int) -> str:
        everybody.wait(10)
        try:
            return passwords.hash(f"password {number}")
        except BusyError:
            return "busy"

    with ThreadPoolExecutor(admitted + 3) as threads:
        waiting = [threads.submit(one, number) for number in range(admitted + 3)]
        for _ in range(CONCURRENT_HASHES):
            assert hasher.begun.acquire(timeout=10)
        while sum(each.done() for each in waiting) < 3:
            assert not hasher.begun.acquire(timeout=0.01), "a third hash was begun"
        hasher.go_on.set()
        answers = [each.result() for each in waiting]
    assert answers.count("busy") == 3
    assert passwords.hash("afterwards") != "busy"


@pytest.mark.parametrize("password", ["Ada@example.com", " ada@example.com ", "aaaaaaaaaaaaaaa", "ada"])
def test_the_address_or_one_character_is_no_password(password: str) -> None:
    with pytest.raises(FieldError):
        check_password(password, "ada@example.com")


def test_any_other_password_is_taken_as_it_is() -> None:
    check_password("correct horse battery staple", "ada@example.com")
