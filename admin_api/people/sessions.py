"""Sessions of users: begun by a login, ended by time, by their user, or by whatever changes what the user may do."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any, NamedTuple

import falcon

from admin_api.http import SESSION_COOKIE
from admin_api.runtime import Database
from config.configuration import hash_token

TOKEN_BYTES = 32
AGENT_CHARACTERS_MAX = 500
# The oldest are ended when a user has more.
SESSIONS_MAX = 50
_BEGIN = """
    insert into user_sessions (user_id, token_hash, created_at, last_seen_at, idle, expires_at, address, user_agent)
    values (%(user_id)s, %(token_hash)s, now(), now(), %(idle)s, now() + %(longest)s, %(address)s::inet, %(agent)s)
    returning session_id, expires_at
"""
_FORGET = """
    delete from user_sessions where expires_at < now() or last_seen_at + idle < now() or session_id in (
        select session_id from user_sessions where user_id = %s order by session_id desc offset %s)
"""


class SessionLimits(NamedTuple):
    """A session ends after `idle` without a request, and in any case after `longest`."""

    idle: timedelta = timedelta(hours=12)
    longest: timedelta = timedelta(days=14)


class Origin(NamedTuple):
    """Where a session is begun from."""

    address: str
    agent: str

    @property
    def stored_address(self) -> str | None:
        """The address as PostgreSQL takes it: without a zone, such as `%eth0`, and null where there is none."""
        try:
            return str(ip_address(self.address.partition("%")[0]))
        except ValueError:
            return None


class Begun(NamedTuple):
    """A session that was begun, and the token for its cookie, which is stored nowhere."""

    session_id: int
    user_id: int
    token: str
    expires_at: datetime


def origin_of(req: falcon.Request) -> Origin:
    """Return where a request comes from."""
    agent = "".join(letter for letter in req.user_agent or "" if letter.isprintable())
    return Origin(req.context.address, agent[:AGENT_CHARACTERS_MAX])


def begin_session(database: Database, user_id: int, origin: Origin, limits: SessionLimits) -> Begun:
    """Begin a session inside the caller's transaction, and forget those that have ended."""
    database.execute(_FORGET, [user_id, SESSIONS_MAX - 1])
    token = secrets.token_urlsafe(TOKEN_BYTES)
    values: dict[str, Any] = {"user_id": user_id, "token_hash": hash_token(token), **limits._asdict()}
    values |= {"address": origin.stored_address, "agent": origin.agent}
    row = database.execute(_BEGIN, values).fetchone()
    assert row is not None
    return Begun(row["session_id"], user_id, token, row["expires_at"])


def end_sessions(database: Database, user_id: int, *, but: int | None = None) -> int:
    """End all sessions of a user, or all but one, and return how many they were."""
    ended = database.execute(
        "delete from user_sessions where user_id = %s and session_id is distinct from %s", [user_id, but]
    )
    return ended.rowcount


def set_cookie(resp: falcon.Response, token: str) -> None:
    """Give the browser a session. The cookie ends with the browser; the session's own limits are in the database."""
    resp.append_header("Set-Cookie", f"{SESSION_COOKIE}={token}; Path=/; Secure; HttpOnly; SameSite=Lax")


def clear_cookie(resp: falcon.Response) -> None:
    """Take the session's cookie from the browser."""
    resp.append_header("Set-Cookie", f"{SESSION_COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0")
