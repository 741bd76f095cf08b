"""The REST resources of sessions: the list, ending one, and ending many."""

from __future__ import annotations

from http import HTTPStatus

import falcon

from admin_api.http import (
    ONLY_REVISION,
    NotFoundError,
    Number,
    NumberedPageQuery,
    Page,
    Revisions,
    caller_of,
    operation,
    page_of,
    require_revision,
)
from admin_api.people.account_objects import Session, SessionsEnd, SessionsEnded
from admin_api.people.granting import may_read_others, require_hand
from admin_api.people.sessions import end_sessions
from admin_api.people.user_table import load_user
from admin_api.runtime import Actor, Pool, attributed

_LIST = """
    select session_id, user_id, created_at, last_seen_at, least(expires_at, last_seen_at + idle) as expires_at,
        host(address) as address, user_agent, session_id = %(current)s is true as current
    from user_sessions where (user_id = %(own)s or %(others)s) and expires_at > now() and last_seen_at + idle > now()
        and session_id > %(after)s
        and (%(user_id)s::bigint is null or user_id = %(user_id)s)
    order by session_id limit %(limit)s
"""
_ONE = """
    select session_id, user_id from user_sessions
    where (user_id = %(own)s or %(others)s) and session_id = %(session_id)s
"""


class SessionsQuery(NumberedPageQuery):
    """The filters of the list of sessions."""

    user_id: Number | None = None
    """Only sessions of this user."""


class Sessions:
    """All sessions that the caller may see: its own, and with people:read those of others."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("List sessions")
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: SessionsQuery) -> Page[Session]:
        """Sessions that have not ended, in the order in which they were begun."""
        values = {
            **_seen(caller_of(req)),
            "current": req.context.session_id,
            "after": query.after,
            "user_id": query.user_id,
            "limit": query.limit + 1,
        }
        with self._pool.connection() as database:
            rows = database.execute(_LIST, values).fetchall()
        return page_of(Page[Session], rows, query.limit, Session.of, lambda row: str(row["session_id"]))


class SingleSession:
    """One session."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("End a session", statuses=(HTTPStatus.NO_CONTENT,))
    def on_delete(self, req: falcon.Request, resp: falcon.Response, session_id: int, allowed: Revisions) -> None:
        """Its browser is logged out at once."""
        actor = caller_of(req)
        with self._pool.connection() as database, attributed(database, actor):
            row = database.execute(_ONE, {**_seen(actor), "session_id": session_id}).fetchone()
            if row is None:
                raise NotFoundError(f"there is no session {session_id}")
            require_revision(ONLY_REVISION, allowed, "session")
            require_hand(req, load_user(database, row["user_id"]))
            database.execute("delete from user_sessions where session_id = %s", [session_id])


class SessionsEnding:
    """Ends all sessions of a user."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("End all sessions of a user", not_found=("not-found",))
    def on_post(self, req: falcon.Request, resp: falcon.Response, body: SessionsEnd) -> SessionsEnded:
        """Those of the caller, or of another user. The session that asks goes on, unless `keep_current` is false."""
        actor = caller_of(req)
        user_id = actor.user_id if body.user_id is None else body.user_id
        if user_id is None:
            raise NotFoundError("an API token without a user has no sessions; name a user")
        if user_id != actor.user_id and not may_read_others(actor):
            raise NotFoundError(f"there is no user {user_id}")
        with self._pool.connection() as database, attributed(database, actor):
            require_hand(req, load_user(database, user_id))
            kept = req.context.session_id if body.keep_current else None
            return SessionsEnded(ended=end_sessions(database, user_id, but=kept))


def _seen(actor: Actor) -> dict[str, object]:
    return {"own": actor.user_id, "others": may_read_others(actor)}
