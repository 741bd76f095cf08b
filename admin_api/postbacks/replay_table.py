"""SQL of replays and their judgements: the API stores and reads them; the worker carries out the replays."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import sql
from psycopg.types.json import Jsonb

from admin_api.http import NotFoundError
from admin_api.runtime import Database, Row

_COLUMNS: LiteralString = (
    "replay_id, filter, dry, state, found, examined, changed, outcomes, error, requested_by, created_at, updated_at,"
    " finished_at"
)
_INSERT: LiteralString = (
    "insert into replays (filter, dry, requested_by, created_at) values (%s, %s, %s, coalesce(%s, now()))"  # noqa: S608
    f" returning {_COLUMNS}"
)
_ONE: LiteralString = f"select {_COLUMNS} from replays where replay_id = %s"  # noqa: S608
_PAGE: LiteralString = f"select {_COLUMNS} from replays {{}} order by replay_id desc limit %(limit)s"  # noqa: S608
JUDGEMENT_COLUMNS: LiteralString = "judgement_id, postback_id, judged_at, changed, before, after, note"
_JUDGEMENTS: LiteralString = (
    f"select {JUDGEMENT_COLUMNS} from postback_judgements where {{}} order by judgement_id limit %(limit)s"  # noqa: S608
)


class Wanted(NamedTuple):
    """What is to be replayed: a filter as JSON, of postbacks that were stored by a moment (None is now)."""

    filter: Mapping[str, Any]
    dry: bool
    stored_by: datetime | None = None


def save_replay(database: Database, wanted: Wanted, actor: str) -> Row:
    """Store a replay that the worker is to carry out, and return it."""
    values = [Jsonb(dict(wanted.filter)), wanted.dry, actor, wanted.stored_by]
    row = database.execute(_INSERT, values).fetchone()
    assert row is not None
    return row


def load_replay(database: Database, replay_id: int) -> Row:
    """Return a replay, or raise NotFoundError."""
    row = database.execute(_ONE, [replay_id]).fetchone()
    if row is None:
        raise NotFoundError(f"there is no replay {replay_id}")
    return row


def load_replays(database: Database, before: int | None, limit: int) -> list[Row]:
    """Return up to `limit` replays with ids below `before`, the newest first."""
    where = sql.SQL("" if before is None else "where replay_id < %(before)s")
    return database.execute(sql.SQL(_PAGE).format(where), {"before": before, "limit": limit}).fetchall()


def load_judgements(database: Database, replay_id: int, after: int, limit: int, *, changed: bool) -> list[Row]:
    """Return up to `limit` judgements of a replay after one: all, or those that changed. Planned with its values."""
    query, values = judgements_query(replay_id, after, limit, changed=changed)
    return database.execute(query, values, prepare=False).fetchall()


def judgements_query(replay_id: int, after: int, limit: int, *, changed: bool) -> tuple[sql.Composed, dict[str, Any]]:
    """Return the query for a page of judgements, and its values."""
    conditions = [sql.SQL("replay_id = %(replay_id)s"), sql.SQL("judgement_id > %(after)s")]
    if changed:
        conditions.append(sql.SQL("changed"))
    query = sql.SQL(_JUDGEMENTS).format(sql.SQL(" and ").join(conditions))
    return query, {"replay_id": replay_id, "after": after, "limit": limit}


def require_postback(database: Database, postback_id: UUID) -> None:
    """Raise NotFoundError if a postback is not stored."""
    if database.execute("select 1 from postbacks where postback_id = %s", [postback_id]).fetchone() is None:
        raise NotFoundError(f"there is no postback {postback_id}")
