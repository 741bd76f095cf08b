"""SQL of users. What a change may not do is decided here, with the rows locked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from psycopg import sql
from psycopg.errors import ForeignKeyViolation, UniqueViolation

from admin_api.http import ConflictError, NotFoundError, Order, Revisions, Values, require_revision
from admin_api.people.granting import require_held, rights_of_user
from admin_api.people.sessions import end_sessions
from admin_api.resources import insert_row, update_row
from admin_api.runtime import Actor, Database, Row
from tracking.rights import Role, rights_of
from tracking.runtime import FieldError

_SELECT = """
    select users.*, one_time_links.expires_at as link_expires_at, totp_confirmed_at is not null as second_factor,
        case when disabled_at is not null then 'disabled' when password_hash is null then 'invited' else 'active' end
            as state
    from users left join one_time_links on one_time_links.user_id = users.user_id and one_time_links.expires_at > now()
"""
# Whoever takes the last owner away, or makes somebody else one, waits here for the other.
_OWNERS = (
    "select user_id from users where role = 'owner' and disabled_at is null and password_hash is not null"
    " order by user_id for update"
)
# What a session of the user may do depends on these.
_OF_RIGHTS = ("role", "sees_money", "source_id", "disabled_at")


def load_user(database: Database, user_id: int, *, lock: bool = False) -> Row:
    """Return a user. With `lock`, the row stays locked until the transaction ends. Raises NotFoundError."""
    query = sql.SQL("{} where users.user_id = %s {}").format(
        sql.SQL(_SELECT), sql.SQL("for update of users" if lock else "")
    )
    row = database.execute(query, [user_id]).fetchone()
    if row is None:
        raise NotFoundError(f"there is no user {user_id}")
    return row


def load_users(database: Database, query: Any, order: Order) -> list[Row]:
    """Return one user more than a page has, where the list goes on."""
    tail, values = order.page(query.chosen(), query.cursor)
    statement = sql.SQL("{} {} limit %(limit)s").format(sql.SQL(_SELECT), tail)
    return database.execute(statement, {**values, "limit": query.limit + 1}).fetchall()


def save_new_user(database: Database, actor: Actor, values: Values) -> int:
    """Store a user who has no password yet, and return the number. Raises ConflictError or BeyondRightsError."""
    _require_whole(values)
    require_held(actor, rights_of(Role(values["role"]), sees_money=values["sees_money"]), "this role")
    try:
        with database.transaction():
            row: Row = insert_row(database, "users", values, "user_id")
    except UniqueViolation:
        raise ConflictError("there is a user with this e-mail address", code="email-taken", field="email") from None
    except ForeignKeyViolation:
        raise FieldError("source_id", f"there is no source {values['source_id']}") from None
    return int(row["user_id"])


def save_user(database: Database, actor: Actor, user_id: int, changes: Values, allowed: Revisions) -> None:
    """Change a user. What changes the user's rights ends the user's sessions.

    Raises NotFoundError, RevisionError, BeyondRightsError, FieldError, or ConflictError for the last owner.
    """
    with database.transaction():
        before = lock_user(database, actor, user_id, allowed)
        changes = _columns_of(changes, before)
        if all(before[name] == value for name, value in changes.items()):
            return
        after = {**before, **changes}
        if before["role"] == Role.PARTNER and after["role"] != Role.PARTNER and "source_id" not in changes:
            after["source_id"] = changes["source_id"] = None
        _require_whole(after)
        require_held(actor, rights_of_user(after), "this role")
        if after["role"] != Role.OWNER or after["disabled_at"] is not None:
            _require_other_owner(database, before)
        try:
            with database.transaction():
                update_row(database, "users", "user_id", user_id, changes)
        except ForeignKeyViolation:
            raise FieldError("source_id", f"there is no source {after['source_id']}") from None
        if any(before[name] != after[name] for name in _OF_RIGHTS):
            end_sessions(database, user_id)


def remove_user(database: Database, actor: Actor, user_id: int, allowed: Revisions) -> None:
    """Delete a user with sessions and API tokens. Raises what `save_user` raises."""
    with database.transaction():
        before = lock_user(database, actor, user_id, allowed)
        _require_other_owner(database, before)
        database.execute("delete from users where user_id = %s", [user_id])


def lock_user(database: Database, actor: Actor, user_id: int, allowed: Revisions) -> Row:
    """Return a user whom the actor may change, with the row locked."""
    # All owners are locked first, and in one order, so that two who remove each other do not wait for each other.
    _lock_owners(database)
    row = load_user(database, user_id, lock=True)
    require_revision(row["revision"], allowed, "user")
    require_held(actor, rights_of_user(row), "this user")
    return row


def _columns_of(changes: Values, before: Row) -> Values:
    columns = dict(changes)
    if "disabled" in columns:
        disabled = columns.pop("disabled")
        columns["disabled_at"] = (before["disabled_at"] or datetime.now(UTC)) if disabled else None
    return columns


def _require_whole(user: Values) -> None:
    if (user["role"] == Role.PARTNER) != (user["source_id"] is not None):
        raise FieldError("source_id", "source_id must name the source of a partner, and be null for every other role")


def _lock_owners(database: Database) -> list[int]:
    return [row["user_id"] for row in database.execute(_OWNERS).fetchall()]


def _require_other_owner(database: Database, before: Row) -> None:
    owners = _lock_owners(database)
    if before["user_id"] in owners and len(owners) == 1:
        raise ConflictError("this is the last owner; make somebody else an owner first", code="last-owner")
