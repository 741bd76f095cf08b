"""Issues: what an operator should look at, opened by whichever program found it, listed and resolved here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import falcon
from psycopg.types.json import Jsonb

from admin_api.http.old import (
    PAGE_ROWS,
    Field,
    NotFoundError,
    RevisionError,
    Revisions,
    Values,
    choice,
    decode_id,
    decode_limit,
    decode_number,
    decode_object,
    decode_revisions,
    refuse_unknown,
    text,
    validate_changes,
)
from admin_api.runtime import Database, Pool, Row
from tracking.issues import IssueKind, IssueState
from tracking.runtime import FieldError

NOTE_CHARACTERS_MAX = 2000
_FIELDS = (
    Field("state", choice(*IssueState)),
    Field("note", text(NOTE_CHARACTERS_MAX), nullable=True),
)
_COLUMNS = (
    "issue_id, kind, state, title, detail, merchant_id, postback_id, conversion_id, click_id, count, reopened, note,"
    " revision, opened_at, last_seen_at, resolved_at"
)
_OPEN = "select open_issue(%s, %s, %s, %s, %s, %s, %s, %s)"
_ONE = f"select {_COLUMNS} from issues where issue_id = %s"  # noqa: S608
_PAGE = (
    f"select {_COLUMNS} from issues where (%(kind)s::text is null or kind = %(kind)s::text)"  # noqa: S608
    " and (%(state)s::text is null or state = %(state)s::text)"
    " and (%(merchant_id)s::bigint is null or merchant_id = %(merchant_id)s::bigint)"
    " and (%(before)s::bigint is null or issue_id < %(before)s::bigint) order by issue_id desc limit %(limit)s"
)
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
    """Open an issue, or count it once more where it is open already, or open it again where it was resolved.

    `detail` is JSON. Who opens several in one transaction does so in the order of (kind, subject_key), since each stays
    locked until the transaction ends.
    """
    about = [merchant_id, postback_id, conversion_id, click_id]
    database.execute(_OPEN, [kind.value, subject_key, title, Jsonb(dict(detail)), *about])


class Issues:
    """All issues."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List issues, those first opened last first, all or those of a kind, a state or a merchant."""
        refuse_unknown(req, ("kind", "state", "merchant_id", "limit", "cursor"))
        limit = decode_limit(req, PAGE_ROWS)
        wanted = {
            "kind": _word(req, "kind", IssueKind),
            "state": _word(req, "state", IssueState),
            "merchant_id": decode_number(req, "merchant_id"),
            "before": decode_number(req, "cursor"),
            "limit": limit + 1,
        }
        with self._pool.connection() as database:
            rows = database.execute(_PAGE, wanted).fetchall()
        shown = rows[:limit]
        resp.media = {
            "items": [_present(row) for row in shown],
            "next_cursor": str(shown[-1]["issue_id"]) if len(rows) > limit else None,
        }


class IssueItem:
    """One issue."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def on_get(self, req: falcon.Request, resp: falcon.Response, issue_id: str) -> None:
        """Show it."""
        number = decode_id(issue_id, "issue")
        with self._pool.connection() as database:
            row = load_issue(database, number)
        _respond(resp, row)

    def on_patch(self, req: falcon.Request, resp: falcon.Response, issue_id: str) -> None:
        """Resolve it, or open it again, or change its note."""
        number = decode_id(issue_id, "issue")
        changes = validate_changes(_FIELDS, decode_object(req))
        with self._pool.connection() as database:
            row = save_issue(database, number, changes, decode_revisions(req))
        _respond(resp, row)


def load_issue(database: Database, issue_id: int, *, lock: bool = False) -> Row:
    """Return an issue, or raise NotFoundError; with `lock`, it is held until the transaction ends."""
    row = database.execute(f"{_ONE} for update" if lock else _ONE, [issue_id]).fetchone()
    if row is None:
        raise NotFoundError(f"there is no issue {issue_id}")
    return row


def save_issue(database: Database, issue_id: int, changes: Values, allowed: Revisions) -> Row:
    """Change state and note and return the issue. Raises NotFoundError and RevisionError."""
    with database.transaction():
        before = load_issue(database, issue_id, lock=True)
        if allowed is not None and before["revision"] not in allowed:
            raise RevisionError(
                f"this issue has changed since you read it: its revision is {before['revision']}; read it again"
            )
        after = {name: changes.get(name, before[name]) for name in ("state", "note")}
        if any(after[name] != before[name] for name in after):
            database.execute(_CHANGE, after | {"issue_id": issue_id})
        return load_issue(database, issue_id)


def _word(req: falcon.Request, name: str, words: type[IssueKind] | type[IssueState]) -> str | None:
    value = req.get_param(name)
    if value is None or value in set(words):
        return value
    raise FieldError(name, f"{name} must be one of {', '.join(words)}, not {value[:40]!r}")


def _present(row: Row) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "revision"}


def _respond(resp: falcon.Response, row: Row) -> None:
    resp.media = _present(row)
    resp.etag = str(row["revision"])
