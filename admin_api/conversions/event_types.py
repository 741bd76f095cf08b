"""Event types: what merchants may report, what each earns, who approves it and when it is paid.

Built-in types can be changed, not removed. The edge knows the words of all that are active.
"""

from __future__ import annotations

from typing import LiteralString

import falcon
from psycopg import sql
from psycopg.errors import UniqueViolation

from admin_api.http.old import (
    ConflictError,
    Field,
    NotFoundError,
    RevisionError,
    Revisions,
    Values,
    choice,
    currency,
    decode_object,
    decode_revisions,
    flag,
    matching,
    text,
    validate_changes,
    validate_new,
    whole,
)
from admin_api.runtime import Database, Pool, Row, save_change
from config.configuration import events_key
from tracking.money import AMOUNT_MINOR_MAX, CommissionKind, PayoutSchedule

HOLD_DAYS_MAX = 365
_CHANGEABLE = (
    Field("name", text(200)),
    Field("repeatable", flag, default=False),
    Field("commission", choice(*CommissionKind), default=CommissionKind.NONE.value),
    Field("approval", choice("auto", "manual"), default="auto"),
    Field("payout_schedule", choice(*PayoutSchedule), default=PayoutSchedule.MONTHLY.value),
    Field("hold_days", whole(0, HOLD_DAYS_MAX), default=0),
    Field("minimum_payout_minor", whole(0, AMOUNT_MINOR_MAX), default=0),
    Field("minimum_payout_currency", currency, default="USD"),
    Field("active", flag, default=True),
)
_FIELDS = (
    Field(
        "event",
        matching("[a-z][a-z0-9_]{0,39}", "1 to 40 lower-case letters, digits or underscores, a letter first"),
    ),
    *_CHANGEABLE,
)
_SELECT: LiteralString = "select * from event_types"
_IN_USE = "select exists (select from conversions where event = %(event)s) as used"


class EventTypes:
    """All event types. There are few, so that a list is whole."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Add a type."""
        values = validate_new(_FIELDS, decode_object(req))
        with self._pool.connection() as database:
            row = save_event_type(database, values)
        _respond(resp, row)
        resp.status = falcon.HTTP_CREATED
        resp.location = f"/v1/event-types/{row['event']}"

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List them, built-in ones first."""
        with self._pool.connection() as database:
            rows = database.execute(f"{_SELECT} order by not built_in, event").fetchall()
        resp.media = {"items": [_present(row) for row in rows], "next_cursor": None}


class EventTypeItem:
    """One event type, by its word."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def on_get(self, req: falcon.Request, resp: falcon.Response, event: str) -> None:
        """Show it."""
        with self._pool.connection() as database:
            _respond(resp, load_event_type(database, event))

    def on_patch(self, req: falcon.Request, resp: falcon.Response, event: str) -> None:
        """Change the fields that the body names."""
        changes = validate_changes(_CHANGEABLE, decode_object(req))
        with self._pool.connection() as database:
            _respond(resp, save_event_type_changes(database, event, changes, decode_revisions(req)))

    def on_delete(self, req: falcon.Request, resp: falcon.Response, event: str) -> None:
        """Remove it, if it is an operator's own and nothing was reported of it."""
        with self._pool.connection() as database:
            remove_event_type(database, event, decode_revisions(req))
        resp.status = falcon.HTTP_NO_CONTENT


def load_event_type(database: Database, event: str, *, lock: bool = False) -> Row:
    """Return a type, or raise NotFoundError; with `lock`, it is held until the transaction ends."""
    row = database.execute(f"{_SELECT} where event = %s {'for update' if lock else ''}", [event]).fetchone()
    if row is None:
        raise NotFoundError(f"there is no event type {event[:40]}")
    return row


def save_event_type(database: Database, values: Values) -> Row:
    """Store a new type. Raises ConflictError where there is one of this word."""
    query = sql.SQL("insert into event_types ({}) values ({})").format(
        sql.SQL(", ").join(map(sql.Identifier, values)), sql.SQL(", ").join(map(sql.Placeholder, values))
    )
    try:
        with database.transaction():
            database.execute(query, values)
            save_change(database, [events_key()])
            return load_event_type(database, values["event"])
    except UniqueViolation as error:
        raise ConflictError(
            "there is an event type of this word; change it", code="event-taken", field="event"
        ) from error


def save_event_type_changes(database: Database, event: str, changes: Values, allowed: Revisions) -> Row:
    """Change a type and return it."""
    with database.transaction():
        before = _locked(database, event, allowed)
        if all(before[name] == value for name, value in changes.items()):
            return before
        query = sql.SQL(
            "update event_types set {}, revision = revision + 1, updated_at = now() where event = {}"
        ).format(
            sql.SQL(", ").join(
                sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in changes
            ),
            sql.Placeholder("this_event"),
        )
        database.execute(query, changes | {"this_event": event})
        save_change(database, [events_key()])
        return load_event_type(database, event)


def remove_event_type(database: Database, event: str, allowed: Revisions) -> None:
    """Delete a type. Raises ConflictError for a built-in one, and for one that conversions are of."""
    with database.transaction():
        before = _locked(database, event, allowed)
        if before["built_in"]:
            raise ConflictError(
                "a built-in event type cannot be deleted; set its active to false instead", code="built-in"
            )
        used = database.execute(_IN_USE, {"event": event}).fetchone()
        if used is not None and used["used"]:
            raise ConflictError("conversions are of this type; set its active to false instead", code="in-use")
        database.execute("delete from event_types where event = %s", [event])
        save_change(database, [events_key()])


def _locked(database: Database, event: str, allowed: Revisions) -> Row:
    row = load_event_type(database, event, lock=True)
    if allowed is not None and row["revision"] not in allowed:
        raise RevisionError(
            f"this event type has changed since you read it: its revision is {row['revision']}; read it again"
        )
    return row


def _present(row: Row) -> Row:
    return {name: value for name, value in row.items() if name != "revision"}


def _respond(resp: falcon.Response, row: Row) -> None:
    resp.media = _present(row)
    resp.etag = str(row["revision"])
