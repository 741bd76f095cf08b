"""Decides who calls: every operation that is not declared open needs an API token or the cookie of a session.

Tokens and sessions are looked up in the database every time, so that one that was ended stops working at once. The
name of who calls is recorded beside each change.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import falcon

from admin_api.http.addresses import client_address
from admin_api.http.cross_site import refuse_cross_site
from admin_api.http.errors import AuthenticationError, SessionRequiredError
from admin_api.http.remembered import RememberedCallers
from admin_api.runtime import Actor, Database, Pool, Row, act_for, act_for_nobody
from config.configuration import hash_token
from tracking.rights import Role, rights_of

SESSION_COOKIE = "__Host-waypost"
TOKEN_CHARACTERS_MAX = 200
_SCHEMES = ("apikey", "bearer")
# What secrets.token_urlsafe(32) makes.
_SESSION = re.compile("[A-Za-z0-9_-]{43}")
_HOW = "send the header `Authorization: ApiKey TOKEN`; the first token is in admin-token"
_FIND_CALLER = """
    select api_tokens.token_id, api_tokens.name, api_tokens.scopes, user_id, role, sees_money, source_id,
        coalesce(last_used_at < now() - interval '1 minute', true) as unnoted
    from api_tokens left join users using (user_id)
    where token_hash = %s and revoked_at is null and (expires_at is null or expires_at > now()) and disabled_at is null
"""
_FIND_USER = """
    select session_id, user_id, users.name, role, sees_money, source_id,
        last_seen_at < now() - interval '1 minute' as unnoted
    from user_sessions join users using (user_id)
    where token_hash = %s and expires_at > now() and last_seen_at + idle > now() and disabled_at is null
"""


class Authentication:
    """Falcon middleware. `open_paths` has paths, and methods with paths, that need neither token nor session."""

    def __init__(self, pool: Pool, open_paths: Collection[str], trusted_proxies: int = 0) -> None:
        self._pool = pool
        self._open_paths = frozenset(open_paths)
        self._trusted_proxies = trusted_proxies
        self._remembered = RememberedCallers()

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Raise AuthenticationError unless the request is somebody's, and CrossSiteError if another site made it."""
        act_for_nobody()
        address = client_address(req, self._trusted_proxies)
        req.context.address = address
        req.context.session_id = None
        # This runs before routing, so that a stranger cannot find out which routes exist.
        if req.path in self._open_paths or f"{req.method} {req.path}" in self._open_paths:
            # SECURITY: otherwise another site could log its visitor in as somebody else.
            refuse_cross_site(req, by_cookie=False)
            return
        header, cookies = req.get_header("Authorization"), req.get_cookie_values(SESSION_COOKIE)
        if header is None and cookies:
            refuse_cross_site(req, by_cookie=True)
            actor = self._remembered.identify(req, lambda: self._of_session(req, cookies))
        else:
            token = parse_authorization(header or "")
            actor = self._remembered.identify(req, lambda: self._of_token(token))
        req.context.actor = actor
        act_for(actor, address)

    def _of_token(self, token: str) -> Actor:
        with self._pool.connection() as database:
            actor = load_actor(database, token)
        if actor is None:
            raise AuthenticationError("this API token is unknown, expired or revoked")
        return actor

    def _of_session(self, req: falcon.Request, cookies: list[str]) -> Actor:
        # SECURITY: of two cookies with this name, nobody can say which one the browser got from us.
        found = None
        if len(cookies) == 1 and _SESSION.fullmatch(cookies[0]):
            with self._pool.connection() as database:
                found = _load_session(database, cookies[0])
        if found is None:
            raise AuthenticationError("this session is unknown or has ended; log in again")
        req.context.session_id = found["session_id"]
        return _actor_of_session(found)


def actor_of(req: falcon.Request) -> str:
    """Return the name of the caller, which is recorded beside what the request changes."""
    return caller_of(req).name


def caller_of(req: falcon.Request) -> Actor:
    """Return the caller."""
    actor: Actor = req.context.actor
    return actor


def session_of(req: falcon.Request) -> int:
    """Return the number of the caller's session. Raises SessionRequiredError for a caller with an API token."""
    session_id: int | None = req.context.session_id
    if session_id is None:
        raise SessionRequiredError("this is done by a user who is logged in, not with an API token")
    return session_id


def parse_authorization(header: str) -> str:
    """Return the token of an Authorization header, or raise AuthenticationError."""
    scheme, _, token = header.strip().partition(" ")
    token = token.strip()
    if scheme.lower() not in _SCHEMES or not 1 <= len(token) <= TOKEN_CHARACTERS_MAX:
        raise AuthenticationError(_HOW)
    return token


def load_actor(database: Database, token: str) -> Actor | None:
    """Return whom a token stands for, or None if it is not stored or no longer valid, and note that it was used.

    SECURITY: the index is searched by SHA-256, so the time of a search says nothing about tokens the caller lacks.
    """
    found = database.execute(_FIND_CALLER, [hash_token(token)]).fetchone()
    if found is None:
        return None
    if found["unnoted"]:
        # At most once a minute, so that a busy token does not write with every request.
        database.execute(
            "update api_tokens set last_used_at = now() where token_id = %s"
            " and coalesce(last_used_at < now() - interval '1 minute', true)",
            [found["token_id"]],
        )
    return _actor_of_token(found)


def load_session_actor(database: Database, cookies: Sequence[str]) -> Actor | None:
    """Return whom the cookies of a session stand for, or None if there is no such session or it has ended.

    It is not noted as use: a live stream that stays open must not keep a session from ending.
    """
    if len(cookies) != 1 or not _SESSION.fullmatch(cookies[0]):
        return None
    found = database.execute(_FIND_USER, [hash_token(cookies[0])]).fetchone()
    return None if found is None else _actor_of_session(found)


def _actor_of_session(found: Row) -> Actor:
    role = Role(found["role"])
    rights = rights_of(role, sees_money=found["sees_money"])
    return Actor(found["name"], None, found["user_id"], role, rights, found["source_id"])


def _actor_of_token(found: Row) -> Actor:
    # A token without a user is the installation's own. The scopes of a token never give more than its user has now.
    role = Role(found["role"] or Role.OWNER)
    rights = rights_of(role, sees_money=bool(found["sees_money"]))
    if found["scopes"] is not None:
        rights = frozenset(right for right in rights if right in found["scopes"])
    return Actor(found["name"], found["token_id"], found["user_id"], role, rights, found["source_id"])


def _load_session(database: Database, token: str) -> Row | None:
    found = database.execute(_FIND_USER, [hash_token(token)]).fetchone()
    if found is not None and found["unnoted"]:
        database.execute("update user_sessions set last_seen_at = now() where session_id = %s", [found["session_id"]])
    return found
