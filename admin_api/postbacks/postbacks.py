"""All postbacks, the newest first, each with its raw request, its outcome, the reason, and what to do about it."""

from __future__ import annotations

import re
from typing import Any, LiteralString
from uuid import UUID

import falcon
from psycopg import sql

from admin_api.http import Page, encode_place, operation, page_of
from admin_api.postbacks.postback_objects import Postback, PostbackQuery, show_postback
from admin_api.runtime import Database, Pool, Row
from config.tables import postbacks
from tracking.conversions import PostbackReason

_PAGE: LiteralString = (
    f"select {postbacks.SHOWN} from postbacks {{}} order by received_at desc, postback_id desc limit %(limit)s"  # noqa: S608
)
_WILD = re.compile(r"([\\%_])")


class Postbacks:
    """The list of postbacks."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("List postbacks")
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: PostbackQuery) -> Page[Postback]:
        """The newest postbacks come first, including refused ones. Each has its request as it arrived."""
        with self._pool.connection() as database:
            rows = load_postbacks(database, query)
        return page_of(
            Page[Postback],
            rows,
            query.limit,
            show_postback,
            lambda row: encode_place(row["received_at"], row["postback_id"]),
        )


def load_postbacks(database: Database, wanted: PostbackQuery) -> list[Row]:
    """Return the postbacks of a page and one more, the newest first.

    The query is planned with its values: each filter has an index in the list's order, and the best depends on them.
    """
    query, values = postbacks_query(wanted)
    return database.execute(query, values, prepare=False).fetchall()


def postbacks_query(wanted: PostbackQuery) -> tuple[sql.Composed, dict[str, Any]]:
    """Return the query for a page and one more row, and its values."""
    chosen = wanted.chosen()
    values: dict[str, Any] = {**chosen.values, "limit": wanted.limit + 1}
    more: list[sql.SQL] = []
    if wanted.reason == PostbackReason.CLICK_NOT_STORED_YET:
        # This finds the same postbacks by the index of those that wait.
        more.append(sql.SQL("outcome = 'parked'"))
    if wanted.cursor is not None:
        values |= {"at": wanted.cursor.at, "after": wanted.cursor.row_id}
        more.append(sql.SQL("(received_at, postback_id) < (%(at)s, %(after)s)"))
    if wanted.search:
        click_id = _uuid(wanted.search)
        if click_id is not None:
            values |= {"click_id": click_id, "search": wanted.search}
            more.append(sql.SQL("(click_id = %(click_id)s or order_id = %(search)s)"))
        else:
            values["beginning"] = _WILD.sub(r"\\\1", wanted.search) + "%"
            more.append(sql.SQL("order_id like %(beginning)s"))
    return sql.SQL(_PAGE).format(chosen.where(*more)), values


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
