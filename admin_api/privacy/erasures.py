"""Erasures: requests to take what identifies a visitor out of what is stored. The worker carries them out.

What is asked for is a row, so that nothing is lost if a process dies; once it is done, the row is the receipt.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import LiteralString

import falcon
from psycopg import sql

from admin_api.http import (
    InvalidFieldsError,
    NotFoundError,
    NumberedPageQuery,
    Page,
    actor_of,
    operation,
    page_of,
)
from admin_api.privacy.erasure_objects import Erasure, ErasureBody, show_erasure
from admin_api.runtime import Pool
from tracking.clicks import parse_click_id
from tracking.privacy import TOMBSTONE_DAYS, SubjectKind, subject_hash

_COLUMNS: LiteralString = (
    "erasure_id, subject_kind, subject_hash, sub_ids, dry, state, counts, note, requested_by, requested_at,"
    " finished_at, recognised_until"
)
_INSERT: LiteralString = (
    "insert into erasures (subject_kind, subject_hash, subject, sub_ids, dry, note, requested_by, recognised_until)"  # noqa: S608
    " values (%(kind)s, %(hash)s, %(subject)s, %(sub_ids)s, %(dry_run)s, %(note)s, %(actor)s, now() + %(recognised)s)"
    f" returning {_COLUMNS}"
)
_ONE: LiteralString = f"select {_COLUMNS} from erasures where erasure_id = %s"  # noqa: S608
_PAGE: LiteralString = f"select {_COLUMNS} from erasures {{}} order by erasure_id desc limit %(limit)s"  # noqa: S608


class Erasures:
    """All erasures."""

    def __init__(self, pool: Pool, click_id_keys: Sequence[bytes]) -> None:
        self._pool = pool
        self._keys = click_id_keys

    @operation("List erasures")
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: NumberedPageQuery) -> Page[Erasure]:
        """The newest erasures come first."""
        where = sql.SQL("" if query.cursor is None else "where erasure_id < %(before)s")
        with self._pool.connection() as database:
            values = {"before": query.cursor, "limit": query.limit + 1}
            rows = database.execute(sql.SQL(_PAGE).format(where), values).fetchall()
        return page_of(Page[Erasure], rows, query.limit, show_erasure, lambda row: str(row["erasure_id"]))

    @operation("Erase a visitor", statuses=(HTTPStatus.ACCEPTED,), not_found=("unknown-click",))
    def on_post(self, req: falcon.Request, resp: falcon.Response, body: ErasureBody) -> Erasure:
        """What identifies the visitor of the clicks is erased; counts and money stay. With `dry_run`, only count."""
        faults = list(body.faults())
        if faults:
            raise InvalidFieldsError(faults)
        kind, subject = self._subject(body)
        values = {
            "kind": kind,
            "hash": subject_hash(kind, subject, self._keys[0]),
            "subject": subject,
            "sub_ids": body.sub_ids,
            "dry_run": body.dry_run,
            "note": body.note,
            "actor": actor_of(req),
            "recognised": timedelta(days=TOMBSTONE_DAYS),
        }
        with self._pool.connection() as database:
            row = database.execute(_INSERT, values).fetchone()
        assert row is not None
        resp.location = f"/v1/erasures/{row['erasure_id']}"
        return show_erasure(row)

    def _subject(self, body: ErasureBody) -> tuple[SubjectKind, str]:
        """Return what names the clicks. Raises NotFoundError for a click id that is not ours."""
        if body.address is not None:
            return SubjectKind.ADDRESS, body.address
        assert body.click_id is not None
        click_id = parse_click_id(body.click_id, self._keys)
        if click_id is None:
            raise NotFoundError("this is not a click id that Waypost made", code="unknown-click")
        return SubjectKind.CLICK, str(click_id)


class ErasureItem:
    """One erasure."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Show an erasure")
    def on_get(self, req: falcon.Request, resp: falcon.Response, erasure_id: int) -> Erasure:
        """The answer shows its progress, and when it is done, its receipt."""
        with self._pool.connection() as database:
            row = database.execute(_ONE, [erasure_id]).fetchone()
        if row is None:
            raise NotFoundError(f"there is no erasure {erasure_id}")
        return show_erasure(row)
