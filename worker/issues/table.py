"""Opens and resolves issues, in the transaction of the change that causes it. SQL only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from config.tables import issues
from tracking.issues import IssueKind
from worker.runtime import Connection

_OPEN_ONCE = (
    f"{issues.OPEN} where not exists (select from issues where kind = %(kind)s and subject_key = %(subject_key)s)"
)
_RESOLVE = (
    "update issues set state = 'resolved', resolved_at = now(), revision = revision + 1, note = %s"
    " where kind = %s and state = 'open' and subject_key <> all(%s)"
)


def open_issue(
    connection: Connection,
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
    """Open an issue. If it is open already, count it once more; if it was resolved, open it again.

    `detail` is JSON. To open several issues in one transaction, go in the order of (kind, subject_key), since each
    stays locked until the transaction ends.
    """
    about = {
        "merchant_id": merchant_id,
        "postback_id": postback_id,
        "conversion_id": conversion_id,
        "click_id": click_id,
    }
    connection.execute(issues.OPEN, _said(kind, subject_key, title, detail) | about)


def open_issue_once(
    connection: Connection, kind: IssueKind, subject_key: str, title: str, detail: Mapping[str, Any]
) -> None:
    """Open an issue about a lasting state, unless there ever was one: it is neither counted nor opened again."""
    about = dict.fromkeys(("merchant_id", "postback_id", "conversion_id", "click_id"))
    connection.execute(_OPEN_ONCE, _said(kind, subject_key, title, detail) | about)


def resolve_issues(connection: Connection, kind: IssueKind, still: Sequence[str], note: str) -> None:
    """Resolve all open issues of a kind, except those whose subject key is in `still`."""
    connection.execute(_RESOLVE, [note, kind.value, list(still)])


def _said(kind: IssueKind, subject_key: str, title: str, detail: Mapping[str, Any]) -> dict[str, Any]:
    return {"kind": kind.value, "subject_key": subject_key, "title": title, "detail": Jsonb(dict(detail))}
