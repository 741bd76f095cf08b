"""The delivery log: what was reported to partners, every attempt at it, and sending it again."""

from __future__ import annotations

from typing import Any, LiteralString, NamedTuple
from uuid import UUID

import falcon
from psycopg import sql

from admin_api.http.old import (
    Chosen,
    ConflictError,
    Filter,
    NotFoundError,
    Place,
    choose,
    decode_limit,
    decode_object,
    decode_place,
    encode_place,
    filters,
    flag,
)
from admin_api.runtime import Database, Pool, Row
from tracking.outgoing import DeliveryState
from tracking.runtime import FieldError

REPLAYED_MAX = 10_000
_PAGE_ROWS = 100
FILTERS = (
    Filter("outgoing_postback_id", filters.number, "d.outgoing_postback_id = %(outgoing_postback_id)s"),
    Filter("state", filters.word(*DeliveryState), "d.state = any(%(state)s)"),
    Filter(
        "event",
        filters.matching("[a-z][a-z0-9_]{0,39}", "the word of an event type, such as ftd"),
        "d.event = %(event)s",
    ),
    Filter("conversion_id", filters.uuid, "d.conversion_id = %(conversion_id)s"),
    Filter("click_id", filters.uuid, "d.click_id = %(click_id)s"),
    Filter("is_test", filters.flag, "d.is_test = %(is_test)s"),
    Filter("from", filters.moment, "d.planned_at >= %(from)s"),
    Filter("to", filters.moment, "d.planned_at < %(to)s"),
)
_COLUMNS: LiteralString = (
    "d.delivery_id, d.outgoing_postback_id, d.change_id, d.conversion_id, d.click_id, d.event, d.is_test, d.state,"
    " d.attempts, d.due_at, d.planned_at, d.finished_at, d.facts"
)
_PAGE: LiteralString = (
    f"select {_COLUMNS}, last.last_attempt_at, last.response_status, last.error from deliveries d"  # noqa: S608
    " left join lateral (select a.started_at as last_attempt_at, a.response_status, a.error from delivery_attempts a"
    " where a.delivery_id = d.delivery_id order by a.attempt desc limit 1) last on true"
)
_ATTEMPTS = """
    select attempt, started_at, ended_at, duration_ms, method, url, headers, body, host(address) as address,
        response_status, response_headers, response_body, error, detail
    from delivery_attempts where delivery_id = %s order by attempt
"""
# What is under way is left alone: it may be arriving this moment.
_AT_REST: LiteralString = (
    "not exists (select from delivery_attempts a where a.delivery_id = d.delivery_id and a.attempt = d.attempts"
    " and a.ended_at is null and d.due_at > now())"
)
_BACKLOG = """
    select (select count(*) from outgoing_postbacks p join deliveries d using (outgoing_postback_id)
            where p.state = 'enabled' and d.state = 'pending' and d.due_at < now() - interval '10 seconds') as overdue,
        (select count(*) from outgoing_postbacks where state = 'suspended') as suspended
"""
_REPLAY: LiteralString = "update deliveries d set state = 'pending', due_at = now(), tries = 0, finished_at = null"


class Backlog(NamedTuple):
    """What an operator should be told of: deliveries long due of what is enabled, and what Waypost has suspended."""

    overdue: int
    suspended: int


class Deliveries:
    """All deliveries."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List them, the newest first."""
        chosen = choose(FILTERS, {name: value for name, value in req.params.items() if name not in ("limit", "cursor")})
        limit, place = decode_limit(req, _PAGE_ROWS), decode_place(req)
        with self._pool.connection() as database:
            rows = load_deliveries(database, chosen, place, limit + 1)
        shown = rows[:limit]
        resp.media = {
            "items": shown,
            "next_cursor": encode_place(shown[-1]["planned_at"], shown[-1]["delivery_id"])
            if len(rows) > limit
            else None,
        }


class DeliveryItem:
    """One delivery with every attempt."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def on_get(self, req: falcon.Request, resp: falcon.Response, delivery_id: str) -> None:
        """Show it."""
        number = _decode_id(delivery_id)
        with self._pool.connection() as database, database.transaction():
            database.execute("set transaction isolation level repeatable read, read only")
            delivery = load_delivery(database, number)
            resp.media = delivery | {"attempt_log": database.execute(_ATTEMPTS, [number]).fetchall()}


class DeliveryReplay:
    """Sends one delivery again, with the id that it always had."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def on_post(self, req: falcon.Request, resp: falcon.Response, delivery_id: str) -> None:
        """Make it due at once, with a new round of attempts."""
        number = _decode_id(delivery_id)
        query = sql.SQL("{} where d.delivery_id = %s and {}").format(sql.SQL(_REPLAY), sql.SQL(_AT_REST))
        with self._pool.connection() as database, database.transaction():
            load_delivery(database, number)
            if not database.execute(query, [number]).rowcount:
                raise ConflictError("an attempt at this delivery is under way; see how it ends", code="under-way")
            resp.media = load_delivery(database, number)
        resp.status = falcon.HTTP_ACCEPTED


class DeliveriesReplay:
    """Sends deliveries again by filter."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Replay what matches, failed ones unless told otherwise; with `dry_run`, only count it."""
        body = decode_object(req)
        dry_run = flag(body.pop("dry_run", False), "dry_run")
        wanted = body.pop("filter", {})
        if body or not isinstance(wanted, dict):
            raise FieldError("filter", "the fields are filter, an object of filters, and dry_run", code="unknown-field")
        chosen = choose(FILTERS, {"state": DeliveryState.FAILED.value, "is_test": False} | wanted, "filter.")
        with self._pool.connection() as database:
            matched, replayed = replay_deliveries(database, chosen, dry_run=dry_run)
        resp.media = {"matched": matched, "replayed": replayed}
        resp.status = falcon.HTTP_OK if dry_run else falcon.HTTP_ACCEPTED


def load_deliveries(database: Database, chosen: Chosen, place: Place | None, limit: int) -> list[Row]:
    """Return up to `limit` deliveries, the newest first, of those after a place of the list."""
    more = [] if place is None else [sql.SQL("(d.planned_at, d.delivery_id) < (%(at)s, %(after)s)")]
    query = sql.SQL("{} {} order by d.planned_at desc, d.delivery_id desc limit %(limit)s").format(
        sql.SQL(_PAGE), chosen.where(*more)
    )
    values: dict[str, Any] = chosen.values | {"limit": limit}
    if place is not None:
        values |= {"at": place.at, "after": place.row_id}
    return database.execute(query, values).fetchall()


def load_delivery(database: Database, delivery_id: UUID) -> Row:
    """Return one delivery, or raise NotFoundError."""
    row = database.execute(
        sql.SQL("select {} from deliveries d where d.delivery_id = %s").format(sql.SQL(_COLUMNS)), [delivery_id]
    ).fetchone()
    if row is None:
        raise NotFoundError(f"there is no delivery {delivery_id}")
    return row


def replay_deliveries(database: Database, chosen: Chosen, *, dry_run: bool) -> tuple[int, int]:
    """Make what matches due again, the oldest first and 10,000 at most; return how many match and how many it was."""
    matching = sql.SQL("from deliveries d {}").format(chosen.where(sql.SQL(_AT_REST)))
    with database.transaction():
        row = database.execute(sql.SQL("select count(*) as matched {}").format(matching), chosen.values).fetchone()
        assert row is not None
        if dry_run:
            return int(row["matched"]), 0
        ids = sql.SQL("select d.delivery_id {} order by d.planned_at limit %(most)s for update").format(matching)
        query = sql.SQL("{} where d.delivery_id in ({})").format(sql.SQL(_REPLAY), ids)
        return int(row["matched"]), database.execute(query, chosen.values | {"most": REPLAYED_MAX}).rowcount


def load_backlog(database: Database) -> Backlog:
    """Return how much waits that should not."""
    row = database.execute(_BACKLOG).fetchone()
    assert row is not None
    return Backlog(**row)


def _decode_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFoundError(f"there is no delivery {text[:40]}") from None
