"""Decides who may call: every operation that is not declared open needs an API token that is not expired or revoked.

The token's name is recorded beside each change as the one who made it.
"""

from __future__ import annotations

from collections.abc import Collection

import falcon

from admin_api.http.errors import AuthenticationError
from admin_api.runtime import Actor, Database, Pool, act_for, act_for_nobody
from config.configuration import hash_token
from tracking.rights import Role, rights_of

TOKEN_CHARACTERS_MAX = 200
_SCHEMES = ("apikey", "bearer")


class Authentication:
    """Falcon middleware. It asks the database every time, so that a revoked token stops working at once."""

    def __init__(self, pool: Pool, open_paths: Collection[str]) -> None:
        self._pool = pool
        self._open_paths = frozenset(open_paths)

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Raise AuthenticationError unless the request carries a valid token."""
        act_for_nobody()
        # This runs before routing, so that a stranger cannot find out which routes exist.
        if req.path in self._open_paths:
            return
        token = parse_authorization(req.get_header("Authorization") or "")
        with self._pool.connection() as database:
            actor = load_actor(database, token)
        if actor is None:
            raise AuthenticationError("this API token is unknown, expired or revoked")
        req.context.actor = actor
        act_for(actor, req.remote_addr)


def actor_of(req: falcon.Request) -> str:
    """Return the name of the caller, which is recorded beside what the request changes."""
    return caller_of(req).name


def caller_of(req: falcon.Request) -> Actor:
    """Return the caller."""
    actor: Actor = req.context.actor
    return actor


def parse_authorization(header: str) -> str:
    """Return the token of an Authorization header, or raise AuthenticationError."""
    scheme, _, token = header.strip().partition(" ")
    token = token.strip()
    if scheme.lower() not in _SCHEMES or not 1 <= len(token) <= TOKEN_CHARACTERS_MAX:
        raise AuthenticationError("send the header `Authorization: ApiKey TOKEN`; the first token is in admin-token")
    return token


def load_actor(database: Database, token: str) -> Actor | None:
    """Return whom a token stands for, or None if it is not stored or no longer valid.

    SECURITY: the index is searched by SHA-256, so the time of a search says nothing about tokens the caller lacks.
    """
    found = database.execute(
        "select token_id, name from api_tokens where token_hash = %s and revoked_at is null"
        " and (expires_at is null or expires_at > now())",
        [hash_token(token)],
    ).fetchone()
    if found is None:
        return None
    return Actor(found["name"], found["token_id"], None, Role.OWNER, rights_of(Role.OWNER), None)
