"""Logging in: what is checked, in which order, and what is stored when it was right.

The password is hashed without a connection to the database, so logins cannot use up the pool.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

from admin_api.people.errors import BusyError, CodeRequiredError, LoginError
from admin_api.people.login_attempts import Attempt, begin_attempt, is_known, network_of, note_success, take_back
from admin_api.people.passwords import Passwords
from admin_api.people.second_factor import take_recovery_code, take_totp
from admin_api.people.sessions import Begun, Origin, SessionLimits, begin_session
from admin_api.runtime import Database, Pool, Row, acting_for_nobody

Done = TypeVar("Done")

_REFUSAL = "the e-mail address, the password or the code is wrong"
_LOAD = "select * from users where email = %s and disabled_at is null"
_LOCK = "select * from users where user_id = %s and disabled_at is null for update"


class Given(NamedTuple):
    """What somebody proves to be a user with. At most one of the two codes is given."""

    email: str
    password: str
    totp: str | None
    recovery_code: str | None


class Doorkeeper:
    """Checks passwords and codes, and slows down guessing. All threads share one."""

    def __init__(
        self,
        pool: Pool,
        passwords: Passwords,
        limits: SessionLimits,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._pool = pool
        self._clock = clock
        self.passwords = passwords
        self.limits = limits

    def now(self) -> datetime:
        """Return the moment."""
        return self._clock()

    def enter(self, given: Given, origin: Origin) -> Begun:
        """Begin a session. Raises LoginError, CodeRequiredError, TooManyAttemptsError or BusyError."""

        def begin(database: Database, user_id: int) -> Begun:
            database.execute("update users set last_login_at = now() where user_id = %s", [user_id])
            return begin_session(database, user_id, origin, self.limits)

        return self._proven(given, origin, begin)

    def prove(self, given: Given, origin: Origin) -> None:
        """Check password and code of somebody who is logged in already. Raises what `enter` raises."""
        # A partner's own database role has no business with what counts failures.
        with acting_for_nobody():
            self._proven(given, origin, lambda database, user_id: None)

    def _proven(self, given: Given, origin: Origin, then: Callable[[Database, int], Done]) -> Done:
        network = network_of(origin.address)
        with self._pool.connection() as database:
            user = database.execute(_LOAD, [given.email]).fetchone()
            user_id, stored = (user["user_id"], user["password_hash"]) if user else (None, None)
            attempt = Attempt(given.email, network, is_known(database, user_id, network, self.now()))
            begin_attempt(database, attempt, self.now())
        try:
            renewed = self._verify(given.password, stored)
            # SECURITY: an account that does not exist was verified too, against nobody's hash, and was never right.
            assert user is not None
            with self._pool.connection() as database, database.transaction():
                self._take_code(database, user, given)
                if renewed is not None:
                    _save_hash(database, user, renewed)
                note_success(database, attempt, user["user_id"], self.now())
                return then(database, user["user_id"])
        except (BusyError, CodeRequiredError):
            # Nothing wrong was said.
            with self._pool.connection() as database:
                take_back(database, attempt)
            raise

    def _verify(self, password: str, stored: str | None) -> str | None:
        """Return the hash to store instead, if the parameters have changed. Raises LoginError for a wrong password."""
        if not self.passwords.verify(password, stored) or stored is None:
            raise LoginError(_REFUSAL)
        return self.passwords.hash(password) if self.passwords.is_outdated(stored) else None

    def _take_code(self, database: Database, user: Row, given: Given) -> None:
        """Check the code, if there must be one. The user's row stays locked."""
        locked = database.execute(_LOCK, [user["user_id"]]).fetchone()
        # RACE: the password was changed, or the user disabled, while the hash was computed.
        if locked is None or locked["password_changed_at"] != user["password_changed_at"]:
            raise LoginError(_REFUSAL)
        if locked["totp_confirmed_at"] is None:
            return
        if given.totp is not None:
            right = take_totp(database, locked, given.totp, self.now())
        elif given.recovery_code is not None:
            right = take_recovery_code(database, locked["user_id"], given.recovery_code)
        else:
            raise CodeRequiredError("this account has a second factor; send `totp` or `recovery_code` too")
        if not right:
            raise LoginError(_REFUSAL)


def _save_hash(database: Database, user: Row, renewed: str) -> None:
    database.execute("update users set password_hash = %s where user_id = %s", [renewed, user["user_id"]])
