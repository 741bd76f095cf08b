"""Opens issues from the worker, in the transaction of what they are about. SQL only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from tracking.issues import IssueKind
from worker.runtime import Connection

_OPEN = "select open_issue(%s, %s, %s, %s, %s, %s, %s, %s)"


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
    """Open an issue, or count it once more where it is open already, or open it again where it was resolved.

    `detail` is JSON. Who opens several in one transaction does so in the order of (kind, subject_key), since each stays
    locked until the transaction ends.
    """
    about = [merchant_id, postback_id, conversion_id, click_id]
    connection.execute(_OPEN, [kind.value, subject_key, title, Jsonb(dict(detail)), *about])
