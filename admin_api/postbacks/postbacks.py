"""Every postback with its raw request, what became of it, why, and what would mend it: the newest first."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import falcon

from admin_api.http.old import (
    Place,
    decode_limit,
    decode_moment,
    decode_number,
    decode_place,
    encode_place,
    refuse_unknown,
)
from admin_api.runtime import Database, Pool, Row
from tracking.conversions import PostbackOutcome, PostbackReason
from tracking.money import format_amount
from tracking.postbacks import fix_of
from tracking.runtime import FieldError

PAGE_ROWS = 50
PAGE_ROWS_MAX = 200
SEARCH_CHARACTERS_MAX = 200
COLUMNS = (
    "postback_id, received_at, route, method, host, query, content_type, body, host(ip) as ip, user_agent, merchant_id,"
    " authenticated, click_id, event, order_id, status_sent, payout_minor, currency, answered, outcome, reason, detail,"
    " corrections, conversion_id, judged_at, stored_at"
)
_PARAMETERS = ("outcome", "reason", "merchant_id", "event", "from", "to", "q", "limit", "cursor")
_WILD = re.compile(r"([\\%_])")
_EVENT = re.compile("[a-z][a-z0-9_]{0,39}")


class PostbackFilter(NamedTuple):
    """Which postbacks are wanted; null is any. `search` is a click id, or the beginning of an order id."""

    outcome: str | None = None
    reason: str | None = None
    merchant_id: int | None = None
    event: str | None = None
    begins_at: datetime | None = None
    ends_at: datetime | None = None
    search: str | None = None


class Postbacks:
    """The list."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List postbacks by any of the filters."""
        refuse_unknown(req, _PARAMETERS)
        wanted, place = parse_filter(req), decode_place(req)
        limit = decode_limit(req, PAGE_ROWS, PAGE_ROWS_MAX)
        with self._pool.connection() as database:
            rows = load_postbacks(database, wanted, place, limit + 1)
        shown = rows[:limit]
        last = shown[-1] if len(rows) > limit else None
        resp.media = {
            "items": [present_postback(row) for row in shown],
            "next_cursor": None if last is None else encode_place(last["received_at"], last["postback_id"]),
        }


def parse_filter(req: falcon.Request) -> PostbackFilter:
    """Return the filter of a request, or raise FieldError."""
    search = (req.get_param("q") or "").strip()
    if len(search) > SEARCH_CHARACTERS_MAX or not search.isprintable():
        raise FieldError("q", f"q must be a click id or the beginning of an order id, up to {SEARCH_CHARACTERS_MAX}")
    return PostbackFilter(
        _word(req, "outcome", tuple(PostbackOutcome)),
        _word(req, "reason", tuple(PostbackReason)),
        decode_number(req, "merchant_id"),
        _event(req),
        decode_moment(req, "from"),
        decode_moment(req, "to"),
        search or None,
    )


def load_postbacks(database: Database, wanted: PostbackFilter, place: Place | None, limit: int) -> list[Row]:
    """Return up to `limit` postbacks, the newest first, of those before a place.

    Planned with its values: one index has the order of the list for each filter, and which is best depends on them.
    """
    query, values = postbacks_query(wanted, place, limit)
    return database.execute(query.encode(), values, prepare=False).fetchall()


def postbacks_query(wanted: PostbackFilter, place: Place | None, limit: int) -> tuple[str, Mapping[str, Any]]:
    """Return the query of a page and its values."""
    values: dict[str, Any] = {**wanted._asdict(), "limit": limit}
    equal = ("outcome", "reason", "merchant_id", "event")
    conditions = [f"{name} = %({name})s" for name in equal if values[name] is not None]
    if wanted.reason == PostbackReason.CLICK_NOT_STORED_YET:
        # The same postbacks, by the index of those that wait.
        conditions.append(f"outcome = '{PostbackOutcome.PARKED}'")
    if wanted.begins_at is not None:
        conditions.append("received_at >= %(begins_at)s")
    if wanted.ends_at is not None:
        conditions.append("received_at < %(ends_at)s")
    if place is not None:
        values |= {"at": place.at, "after": place.row_id}
        conditions.append("(received_at, postback_id) < (%(at)s, %(after)s)")
    if wanted.search is not None:
        click_id = _uuid(wanted.search)
        if click_id is not None:
            values["click_id"] = click_id
            conditions.append("(click_id = %(click_id)s or order_id = %(search)s)")
        else:
            values["beginning"] = _WILD.sub(r"\\\1", wanted.search) + "%"
            conditions.append("order_id like %(beginning)s")
    where = f" where {' and '.join(conditions)}" if conditions else ""
    # Only names of ours are put in.
    return (
        f"select {COLUMNS} from postbacks{where} order by received_at desc, postback_id desc limit %(limit)s",  # noqa: S608
        values,
    )


def present_postback(row: Row) -> dict[str, Any]:
    """Return a postback as it is shown: its raw request apart, its amount in major units too, and what mends it."""
    raw = {name: row[name] for name in ("route", "method", "host", "query", "content_type", "body", "ip", "user_agent")}
    minor, currency = row["payout_minor"], row["currency"]
    has_amount = minor is not None and currency is not None
    return {
        **{name: value for name, value in row.items() if name not in raw},
        "payout": format_amount(minor, currency) if has_amount else None,
        "fix": fix_of(row["reason"]),
        "request": raw,
    }


def _word(req: falcon.Request, name: str, words: tuple[str, ...]) -> str | None:
    text = req.get_param(name) or None
    if text is not None and text not in words:
        raise FieldError(name, f"{name} must be one of {', '.join(words)}")
    return text


def _event(req: falcon.Request) -> str | None:
    text = req.get_param("event") or None
    if text is not None and not _EVENT.fullmatch(text):
        raise FieldError("event", "event must be the word of an event type, such as ftd")
    return text


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
