"""The REST resources of one's own account: who am I, the password, and the second factor.

What protects the account takes the password again, so that a browser that was left open is not enough.
"""

from __future__ import annotations

from http import HTTPStatus

import falcon

from admin_api.http import ConflictError, caller_of, operation, session_of
from admin_api.people.account_objects import Enrolment, Me, NewPassword, Proof, RecoveryCodes, TotpConfirmation
from admin_api.people.errors import LoginError
from admin_api.people.login import Doorkeeper
from admin_api.people.passwords import check_password
from admin_api.people.second_factor import (
    begin_enrolment,
    make_secret,
    otpauth_uri,
    remove_factor,
    renew_recovery_codes,
    take_totp,
)
from admin_api.people.sessions import begin_session, end_sessions, origin_of, set_cookie
from admin_api.runtime import Actor, Database, Pool, Row, attributed
from tracking.rights import Right

_LOCK = "select * from users where user_id = %s for update"


def shown_me(database: Database, actor: Actor, session_id: int | None) -> Me:
    """Return the object that shows a caller."""
    user = database.execute(
        "select email, totp_confirmed_at is not null as second_factor,"
        " (select count(*) from recovery_codes where user_id = users.user_id) as recovery_codes"
        " from users where user_id = %s",
        [actor.user_id],
    ).fetchone()
    known = user or {"email": None, "second_factor": None, "recovery_codes": None}
    stated = actor._asdict() | {"rights": [right for right in Right if right in actor.rights]}
    return Me.of({**stated, **known, "session_id": session_id})


class Account:
    """What all parts of an account have: a user who is logged in, and proof that it is this user."""

    def __init__(self, pool: Pool, doorkeeper: Doorkeeper) -> None:
        self._pool = pool
        self._doorkeeper = doorkeeper

    def _proven(self, req: falcon.Request, proof: Proof) -> Row:
        """Return the user's row. Raises SessionRequiredError, or what a login raises."""
        session_of(req)
        with self._pool.connection() as database:
            user = _loaded(database, req)
        self._doorkeeper.prove(proof.given_by(user["email"]), origin_of(req))
        return user


class WhoAmI:
    """Whoever asks."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Show who is calling")
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> Me:
        """The caller's name, role and rights, be it a user or an API token."""
        with self._pool.connection() as database:
            return shown_me(database, caller_of(req), req.context.session_id)


class OwnPassword(Account):
    """The caller's password."""

    @operation("Set another password", statuses=(HTTPStatus.NO_CONTENT,), guessable=True)
    def on_post(self, req: falcon.Request, resp: falcon.Response, body: NewPassword) -> None:
        """All sessions of the user end. The one that asks goes on with another cookie."""
        user = self._proven(req, body)
        check_password(body.new_password, user["email"])
        hashed = self._doorkeeper.passwords.hash(body.new_password)
        with self._pool.connection() as database, attributed(database, caller_of(req)):
            database.execute(
                "update users set password_hash = %s, password_changed_at = now(), revision = revision + 1,"
                " updated_at = now() where user_id = %s",
                [hashed, user["user_id"]],
            )
            end_sessions(database, user["user_id"])
            begun = begin_session(database, user["user_id"], origin_of(req), self._doorkeeper.limits)
        set_cookie(resp, begun.token)


class OwnFactor(Account):
    """Setting up the caller's second factor."""

    @operation("Set up a second factor", guessable=True, conflicts=("has-second-factor",))
    def on_post(self, req: falcon.Request, resp: falcon.Response, body: Proof) -> Enrolment:
        """It counts once a first code has confirmed it. Until then another secret can be asked for."""
        user = self._proven(req, body)
        secret = make_secret()
        with self._pool.connection() as database, attributed(database, caller_of(req)):
            _require_none(_loaded(database, req, lock=True))
            begin_enrolment(database, user["user_id"], secret)
        return Enrolment(secret=secret, otpauth_uri=otpauth_uri(secret, user["email"]))


class FactorConfirmation(Account):
    """The first code of an app."""

    @operation("Confirm a second factor", guessable=True, conflicts=("has-second-factor", "no-second-factor"))
    def on_post(self, req: falcon.Request, resp: falcon.Response, body: TotpConfirmation) -> RecoveryCodes:
        """From now on logging in takes a code. The answer has ten recovery codes; keep them somewhere safe."""
        session_of(req)
        with self._pool.connection() as database, attributed(database, caller_of(req)):
            user = _loaded(database, req, lock=True)
            _require_none(user)
            if user["totp_secret"] is None:
                raise ConflictError("set up a second factor first", code="no-second-factor")
            if not take_totp(database, user, body.totp, self._doorkeeper.now()):
                raise LoginError("this is not the code that the app shows now; is the clock of the device right?")
            database.execute("update users set totp_confirmed_at = now() where user_id = %s", [user["user_id"]])
            return RecoveryCodes(recovery_codes=renew_recovery_codes(database, user["user_id"]))


class FactorRemoval(Account):
    """Giving the second factor up."""

    @operation("Remove the second factor", statuses=(HTTPStatus.NO_CONTENT,), guessable=True)
    def on_post(self, req: falcon.Request, resp: falcon.Response, body: Proof) -> None:
        """It takes the password and a code. The recovery codes go too."""
        user = self._proven(req, body)
        with self._pool.connection() as database, attributed(database, caller_of(req)):
            remove_factor(database, user["user_id"])


class OwnRecoveryCodes(Account):
    """The caller's recovery codes."""

    @operation("Make new recovery codes", guessable=True, conflicts=("no-second-factor",))
    def on_post(self, req: falcon.Request, resp: falcon.Response, body: Proof) -> RecoveryCodes:
        """The old ones no longer work."""
        user = self._proven(req, body)
        with self._pool.connection() as database, attributed(database, caller_of(req)):
            if _loaded(database, req, lock=True)["totp_confirmed_at"] is None:
                raise ConflictError("there is no second factor to recover", code="no-second-factor")
            return RecoveryCodes(recovery_codes=renew_recovery_codes(database, user["user_id"]))


def _loaded(database: Database, req: falcon.Request, *, lock: bool = False) -> Row:
    statement = _LOCK if lock else _LOCK.removesuffix(" for update")
    row = database.execute(statement, [caller_of(req).user_id]).fetchone()
    # RACE: the user was deleted since the session was looked up.
    if row is None:
        raise LoginError("this user is gone")
    return row


def _require_none(user: Row) -> None:
    if user["totp_confirmed_at"] is not None:
        raise ConflictError("there is a second factor; remove it first", code="has-second-factor")
