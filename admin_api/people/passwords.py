"""Hashes and checks passwords with argon2id, a few at a time.

PERF: one hash takes 64 MiB and 140 ms of a core (2 cores, `t=2 m=64 MiB p=1`). So two are computed at a time and as
many wait; whoever comes beyond that is asked to come again, and the other threads go on answering.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from threading import BoundedSemaphore

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from admin_api.people.errors import BusyError
from tracking.runtime import FieldError

PASSWORD_CHARACTERS = (12, 200)
CONCURRENT_HASHES = 2
WAITING_HASHES = 2
WAIT_S = 5.0
HASHER = PasswordHasher(time_cost=2, memory_cost=64 * 1024, parallelism=1, type=Type.ID)


class Passwords:
    """Makes and checks the hashes of passwords. All threads share one."""

    def __init__(self, hasher: PasswordHasher = HASHER) -> None:
        self._hasher = hasher
        self._running = BoundedSemaphore(CONCURRENT_HASHES)
        self._admitted = BoundedSemaphore(CONCURRENT_HASHES + WAITING_HASHES)

    @cached_property
    def _of_nobody(self) -> str:
        return self._hasher.hash("the password of nobody")

    def hash(self, password: str) -> str:
        """Return the hash to store. Raises BusyError if too many are being computed."""
        with self._turn():
            return self._hasher.hash(password)

    def verify(self, password: str, stored: str | None) -> bool:
        """Say whether a password is the one of a stored hash. None is no account, and takes as long."""
        with self._turn():
            # SECURITY: accounts that do not exist take as long as others. This hash is made with the first of either.
            of_nobody = self._of_nobody
            try:
                return self._hasher.verify(stored or of_nobody, password) and stored is not None
            except (VerificationError, InvalidHashError):
                return False

    def is_outdated(self, stored: str) -> bool:
        """Say whether a hash was made with other parameters than those of today."""
        return self._hasher.check_needs_rehash(stored)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._admitted.acquire(blocking=False):
            raise BusyError("too many passwords are being checked; try again in a second")
        try:
            if not self._running.acquire(timeout=WAIT_S):
                raise BusyError("too many passwords are being checked; try again in a second")
            try:
                yield
            finally:
                self._running.release()
        finally:
            self._admitted.release()


def check_password(password: str, email: str) -> None:
    """Raise FieldError for a password that is too easily guessed. Its length was checked with the body."""
    given = password.strip().casefold()
    if given in (email.casefold(), email.partition("@")[0].casefold()) or len(set(password)) == 1:
        raise FieldError("password", "password must not be the e-mail address or one character again and again")
