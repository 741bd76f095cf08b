"""The admin API's statements on the table of issues: open, list and change. SQL only."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg import sql
from psycopg.types.json import Jsonb

from admin_api.http import (
    BulkResult,
    Chosen,
    Column,
    NotFoundError,
    Order,
    Revisions,
    Values,
    preview_token,
    require_preview,
    require_revision,
)
from admin_api.runtime import Database, Row
from config.tables import issues
from tracking.issues import IssueKind
from tracking.runtime import FieldError

_SELECT: LiteralString = (
    "select issue_id, kind, state, title, detail, merchant_id, postback_id, conversion_id, click_id, count, reopened,"
    " note, revision, opened_at, last_seen_at, resolved_at from issues"
)
SORTS = {
    "issue_id": Column("issue_id", int),
    "last_seen_at": Column("last_seen_at", datetime),
    "count": Column("count", int),
}
RESOLVED_MAX = 10_000
_RESOLVE = (
    "update issues set state = 'resolved', note = coalesce(%(note)s, note), revision = revision + 1,"
    " resolved_at = now() where issue_id = any(%(issue_ids)s)"
)
_ONE: LiteralString = f"{_SELECT} where issue_id = %s"
_CHANGE = (
    "update issues set state = %(state)s, note = %(note)s, revision = revision + 1,"
    " resolved_at = case when %(state)s = 'open' then null else coalesce(resolved_at, now()) end"
    " where issue_id = %(issue_id)s"
)


def open_issue(
    database: Database,
    kind: IssueKind,
    subject_key: str,
    title: str,
    detail: Mapping[str, Any],
    *,
    merchant_id: int | None = None,
    postback_id: UUID | None = None,
    conversion_id: UUID | None = None,
    click_id: UUID | None = None,
) -> None:
    """Open an issue, count one that is open already once more, or open a resolved one again.

    `detail` is JSON. A transaction that opens several issues does so in the order of (kind, subject_key), since each
    stays locked until the transaction ends.
    """
    database.execute(
        issues.OPEN,
        {
            "kind": kind.value,
            "subject_key": subject_key,
            "title": title,
            "detail": Jsonb(dict(detail)),
            "merchant_id": merchant_id,
            "postback_id": postback_id,
            "conversion_id": conversion_id,
            "click_id": click_id,
        },
    )


def load_issues(database: Database, chosen: Chosen, order: Order, cursor: str | None, limit: int) -> list[Row]:
    """Return up to `limit` issues after a cursor of an order. Raises FieldError for a bad one.

    The query is planned with its values, so that open issues are read from the index that holds only these.
    """
    tail, values = order.page(chosen, cursor)
    query = sql.SQL("{} {} limit %(limit)s").format(sql.SQL(_SELECT), tail)
    return database.execute(query, {**values, "limit": limit}, prepare=False).fetchall()


def load_issue(database: Database, issue_id: int, *, lock: bool = False) -> Row:
    """Return an issue, or raise NotFoundError. With `lock`, it stays locked until the transaction ends."""
    row = database.execute(f"{_ONE} for update" if lock else _ONE, [issue_id]).fetchone()
    if row is None:
        raise NotFoundError(f"there is no issue {issue_id}")
    return row


def resolve_issues(database: Database, chosen: Chosen, note: str | None, token: str | None) -> BulkResult:
    """Preview which open issues are found or, with the token of the preview, resolve them.

    Raises FieldError for more than 10,000, and ConflictError if the filter no longer finds what the preview showed.
    """
    with database.transaction():
        query = sql.SQL("select issue_id, revision from issues {} order by issue_id limit {} {}").format(
            chosen.where(sql.SQL("state = 'open'")),
            sql.Literal(RESOLVED_MAX + 1),
            sql.SQL("" if token is None else "for update"),
        )
        found = database.execute(query, chosen.values, prepare=False).fetchall()
        if len(found) > RESOLVED_MAX:
            raise FieldError("filter", f"filter finds more than {RESOLVED_MAX} issues; narrow it, for example by kind")
        current = preview_token(f"{row['issue_id']}|{row['revision']}" for row in found)
        if token is None:
            return BulkResult(count=len(found), token=current, changed=None)
        require_preview(token, current, f"the filter now finds {len(found)}")
        done = database.execute(_RESOLVE, {"note": note, "issue_ids": [row["issue_id"] for row in found]})
        return BulkResult(count=len(found), token=None, changed=done.rowcount)


def save_issue(database: Database, issue_id: int, changes: Values, allowed: Revisions) -> Row:
    """Change state and note, and return the issue. Raises NotFoundError and RevisionError."""
    with database.transaction():
        before = load_issue(database, issue_id, lock=True)
        require_revision(before["revision"], allowed, "issue")
        after = {name: changes.get(name, before[name]) for name in ("state", "note")}
        if any(after[name] != before[name] for name in after):
            database.execute(_CHANGE, after | {"issue_id": issue_id})
        return load_issue(database, issue_id)
