"""One-time links: by an invitation or after a reset, somebody sets a password without having logged in.

The token of a link is shown once, to whoever makes it, and stored hashed.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from admin_api.http import NotFoundError
from admin_api.people.sessions import TOKEN_BYTES, end_sessions
from admin_api.runtime import Database, Row
from config.configuration import hash_token

VALID_FOR = timedelta(days=7)
_SAVE = """
    insert into one_time_links (user_id, token_hash, purpose, created_at, expires_at)
    values (%(user_id)s, %(token_hash)s, %(purpose)s, now(), now() + %(valid_for)s)
    on conflict (user_id) do update set token_hash = excluded.token_hash, purpose = excluded.purpose,
        created_at = excluded.created_at, expires_at = excluded.expires_at
    returning expires_at
"""
_FIND = """
    select users.user_id, email, name, purpose, expires_at from one_time_links join users using (user_id)
    where token_hash = %s and expires_at > now() and disabled_at is null
"""


class Purpose(StrEnum):
    """What a link is for. It is also the first part of its path in the pages."""

    INVITATION = "invitation"
    RESET = "reset"


class MadeLink(NamedTuple):
    """A link that was made: its path in the pages, with the token, and until when it works."""

    purpose: Purpose
    path: str
    expires_at: datetime


def make_link(database: Database, user_id: int, purpose: Purpose) -> MadeLink:
    """Make a link inside the caller's transaction. It replaces the one that the user had."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    values = {"user_id": user_id, "token_hash": hash_token(token), "purpose": purpose, "valid_for": VALID_FOR}
    row = database.execute(_SAVE, values).fetchone()
    assert row is not None
    return MadeLink(purpose, f"/{purpose}/{token}", row["expires_at"])


def find_link(database: Database, token: str) -> Row:
    """Return whom a link is for. Raises NotFoundError if it is unknown, used or too old, which is not told apart."""
    row = database.execute(_FIND, [hash_token(token)]).fetchone()
    if row is None:
        raise NotFoundError("this link is unknown, was used, or is too old; ask for another one")
    return row


def use_link(database: Database, token: str, password_hash: str, name: str | None) -> None:
    """Set the password, and the name if there is one, and end all sessions, inside the caller's transaction.

    RACE: the link is deleted, so of two who use it at the same time, the second finds nothing.
    """
    found = find_link(database, token)
    used = database.execute("delete from one_time_links where token_hash = %s", [hash_token(token)])
    if used.rowcount == 0:
        raise NotFoundError("this link was used in this moment; ask for another one")
    database.execute(
        "update users set password_hash = %s, password_changed_at = now(), name = coalesce(%s, name),"
        " revision = revision + 1, updated_at = now() where user_id = %s",
        [password_hash, name, found["user_id"]],
    )
    end_sessions(database, found["user_id"])
