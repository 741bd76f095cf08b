"""Event types: what merchants may report, what each earns, who approves it and when it is paid.

Built-in types can be changed but not removed. The edge knows the words of all active types.
"""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Literal, LiteralString

import falcon
from pydantic import Field

from admin_api.http import (
    AmountMinor,
    Body,
    ConflictError,
    Currency,
    Matching,
    NotFoundError,
    Page,
    Revisions,
    Shown,
    Text,
    changes_of,
    operation,
    require_revision,
)
from admin_api.resources import Addresses, Resource, insert, load_one, remove, save_changes, save_new
from admin_api.runtime import Database, Pool, Row
from config.configuration import events_key
from tracking.money import CommissionKind, PayoutSchedule

HOLD_DAYS_MAX = 365
_SHOWN_CHARACTERS = 40
IN_USE: LiteralString = "select exists (select from conversions where event = %s) as used"


class EventTypeFields(Body):
    """What a client may change of an event type."""

    name: Annotated[str, Text(200)]
    """The name that operators use."""
    repeatable: bool = False
    """Whether it counts again for the same click without an order id."""
    commission: CommissionKind = CommissionKind.NONE
    """The terms of the commission plan that it earns by."""
    approval: Literal["auto", "manual"] = "auto"
    """Whether a conversion is approved as soon as the merchant reports it, or only by an operator."""
    payout_schedule: PayoutSchedule = PayoutSchedule.MONTHLY
    """How often its commissions are paid out."""
    hold_days: Annotated[int, Field(ge=0, le=HOLD_DAYS_MAX)] = 0
    """How many days after its first approval a commission becomes payable."""
    minimum_payout_minor: AmountMinor = 0
    """The smallest payout that may contain commissions of this type. A smaller sum waits for the next payout."""
    minimum_payout_currency: Currency = "USD"
    """The currency of the minimum."""
    active: bool = True
    """Whether it is in use. The edge refuses postbacks of a type that is not active."""


class NewEventType(EventTypeFields):
    """What a client may set of a new event type."""

    event: Annotated[
        str, Matching("[a-z][a-z0-9_]{0,39}", "1 to 40 lower-case letters, digits or underscores, a letter first")
    ]
    """The word for it in postbacks, which never changes."""


def _has_conversions(database: Database, event: str) -> bool:
    found = database.execute(IN_USE, [event]).fetchone()
    return found is not None and bool(found["used"])


EventTypeChanges = changes_of(EventTypeFields)
EVENT_TYPES: Resource = Resource(
    singular="event type",
    plural="event_types",
    path="event-types",
    id_name="event",
    description="What merchants may report, what it earns, who approves it and when it is paid.",
    fields=NewEventType,
    select="select * from event_types",
    create=lambda database, values, addresses: insert(database, EVENT_TYPES, values),
    in_use="conversions are of this type; set its active to false instead",
    conflicts={
        "event_types_pkey": partial(
            ConflictError, "there is an event type of this word; change it", code="event-taken", field="event"
        )
    },
    keys=lambda row: [events_key()],
    shown_types={"built_in": Annotated[bool, Field(description="Whether it came with Waypost.")]},
    is_needed=_has_conversions,
)
EventType = EVENT_TYPES.shown
_SHOWN: dict[str, Any] = {"return": EventType}


class EventTypes:
    """All event types. There are few of them, so one page holds the whole list."""

    def __init__(self, pool: Pool, addresses: Addresses) -> None:
        self._pool = pool
        self._addresses = addresses

    @operation(
        "Create an event type",
        statuses=(HTTPStatus.CREATED,),
        types=_SHOWN,
        versioned=True,
        conflicts=("event-taken",),
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response, body: NewEventType) -> Shown:
        """The edge takes postbacks of the new type within moments."""
        with self._pool.connection() as database:
            row, _ = save_new(database, EVENT_TYPES, body.values(), self._addresses)
        resp.location = f"{EVENT_TYPES.collection_path}/{row['event']}"
        return _answer(resp, row)

    @operation("List event types", types={"return": Page[EventType]})  # type: ignore[valid-type]
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> Shown:
        """One page holds all event types. The built-in ones come first."""
        with self._pool.connection() as database:
            rows = database.execute(f"{EVENT_TYPES.select} order by not built_in, event").fetchall()
        return Page[Any](items=[EventType.of(row) for row in rows], next_cursor=None)


class EventTypeItem:
    """One event type, by its word."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Show an event type", types=_SHOWN, versioned=True)
    def on_get(self, req: falcon.Request, resp: falcon.Response, event: str) -> Shown:
        """If-Match takes the ETag of the answer."""
        with self._pool.connection() as database:
            return _answer(resp, load_one(database, EVENT_TYPES, _known_word(event)))

    @operation("Change an event type", types={"body": EventTypeChanges, **_SHOWN}, versioned=True)
    def on_patch(self, req: falcon.Request, resp: falcon.Response, event: str, body: Body, allowed: Revisions) -> Shown:
        """Change the fields that the body names. What was booked before stays as it was booked."""
        with self._pool.connection() as database:
            return _answer(resp, save_changes(database, EVENT_TYPES, _known_word(event), body.changes(), allowed))

    @operation("Delete an event type", statuses=(HTTPStatus.NO_CONTENT,), conflicts=("built-in", "in-use"))
    def on_delete(self, req: falcon.Request, resp: falcon.Response, event: str, allowed: Revisions) -> None:
        """A built-in type cannot be deleted, nor can a type that conversions have."""
        with self._pool.connection() as database, database.transaction():
            before = load_one(database, EVENT_TYPES, _known_word(event), lock=True)
            require_revision(before["revision"], allowed, EVENT_TYPES.singular)
            if before["built_in"]:
                raise ConflictError(
                    "a built-in event type cannot be deleted; set its active to false instead", code="built-in"
                )
            remove(database, EVENT_TYPES, event, allowed)


def _known_word(event: str) -> str:
    """Return the word in a path, or raise NotFoundError if no event type can have it."""
    # PostgreSQL does not accept NUL.
    if not event.isprintable() or len(event) > _SHOWN_CHARACTERS:
        raise NotFoundError(f"there is no event type {event[:_SHOWN_CHARACTERS]!r}")
    return event


def _answer(resp: falcon.Response, row: Row) -> Shown:
    resp.etag = str(row["revision"])
    return EventType.of(row)
