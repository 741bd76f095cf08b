"""SQL of API tokens."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from psycopg.errors import UniqueViolation

from admin_api.http import ConflictError, NotFoundError
from admin_api.people.granting import may_read_others
from admin_api.people.token_objects import TokensQuery
from admin_api.resources import insert_row
from admin_api.runtime import Actor, Database, Row
from config.configuration import hash_token
from tracking.runtime import FieldError

TOKEN_PREFIX = "wp_"  # noqa: S105
TOKEN_BYTES = 32
SHOWN_CHARACTERS = 10
_SELECT = """
    select * from (select token_id, name, prefix, user_id, scopes, expires_at, last_used_at, replaces_token_id,
        revoked_at, created_at, updated_at, revision, case when revoked_at is not null then 'revoked'
            when expires_at <= now() then 'expired' else 'active' end as state
        from api_tokens) tokens
    where (user_id = %(own)s or token_id = %(token_id)s or %(others)s)
"""
_LIST = f"""{_SELECT} and token_id > %(after)s and (%(user_id)s::bigint is null or user_id = %(user_id)s)
    and (%(state)s::text is null or state = %(state)s) order by token_id limit %(limit)s
"""
_ONE = f"{_SELECT} and token_id = %(wanted)s"


class NewToken(NamedTuple):
    """What is stored of a new token, beside the token itself."""

    name: str
    user_id: int | None
    scopes: list[str]
    expires_at: datetime | None
    replaces_token_id: int | None = None


def load_tokens(database: Database, actor: Actor, query: TokensQuery) -> list[Row]:
    """Return one token more than a page has, where the list goes on: the caller's, and others' with people:read."""
    values = {"after": query.after, "user_id": query.user_id, "state": query.state, "limit": query.limit + 1}
    return database.execute(_LIST, {**_seen(actor), **values}).fetchall()


def load_token(database: Database, actor: Actor, token_id: int, *, lock: bool = False) -> Row:
    """Return one token that the caller sees, or raise NotFoundError."""
    if lock:
        database.execute("select from api_tokens where token_id = %s for update", [token_id])
    row = database.execute(_ONE, {**_seen(actor), "wanted": token_id}).fetchone()
    if row is None:
        raise NotFoundError(f"there is no API token {token_id}")
    return row


def save_new_token(database: Database, new: NewToken) -> tuple[int, str]:
    """Store a new token and return its number with the token itself. Raises ConflictError if it was replaced before."""
    token = TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    values = {**new._asdict(), "token_hash": hash_token(token), "prefix": token[:SHOWN_CHARACTERS]}
    try:
        with database.transaction():
            row = insert_row(database, "api_tokens", values, "token_id")
    except UniqueViolation:
        raise ConflictError("this token was replaced already; revoke one of the two first", code="two-active") from None
    return row["token_id"], token


def limit_old_token(database: Database, token_id: int, keep_hours: int) -> None:
    """Let a token that was replaced expire after so many hours, unless it expires before."""
    database.execute(
        "update api_tokens set expires_at = least(expires_at, now() + %s), updated_at = now(), revision = revision + 1"
        " where token_id = %s",
        [timedelta(hours=keep_hours), token_id],
    )


def revoke(database: Database, token_id: int) -> None:
    """Let a token never work again. It stays in the list, since what it changed names it."""
    database.execute(
        "update api_tokens set revoked_at = now(), updated_at = now(), revision = revision + 1"
        " where token_id = %s and revoked_at is null",
        [token_id],
    )


def check_expiry(database: Database, actor: Actor, expires_at: datetime | None) -> None:
    """Raise FieldError for a moment that has passed, or for one after the end of the token that asks."""
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise FieldError("expires_at", "expires_at must be in the future")
    if actor.token_id is None:
        return
    row = database.execute("select expires_at from api_tokens where token_id = %s", [actor.token_id]).fetchone()
    limit: datetime | None = row["expires_at"] if row else None
    if limit is not None and (expires_at is None or expires_at > limit):
        raise FieldError(
            "expires_at", f"expires_at must not be after the end of the token that asks, {limit.isoformat()}"
        )


def _seen(actor: Actor) -> dict[str, object]:
    return {"own": actor.user_id, "token_id": actor.token_id, "others": may_read_others(actor)}
