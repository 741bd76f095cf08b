"""Pages of lists. A cursor says where the last page ended, so no row is lost or repeated when others are added."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, NamedTuple, TypeVar
from uuid import UUID

from pydantic import Field, WithJsonSchema

from admin_api.http.field_types import converted
from admin_api.http.filters import Query
from admin_api.http.models import Page
from admin_api.http.parameters import parse_number
from tracking.runtime import FieldError

Item = TypeVar("Item")
Stored = TypeVar("Stored")

PAGE_ROWS = 100
PAGE_ROWS_MAX = 500
CURSOR_REFUSAL = "cursor must be the next_cursor of an earlier answer, unchanged"


class Place(NamedTuple):
    """The place where a list by time goes on: after the row with this moment and id."""

    at: datetime
    row_id: UUID


def parse_place(cursor: Any, field: str) -> Place:
    """Return the place that a cursor stands for, or raise FieldError."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        at, _, row_id = text.partition(" ")
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None:
            raise ValueError
        return Place(moment, UUID(row_id))
    except (ValueError, TypeError, binascii.Error):
        raise FieldError(field, CURSOR_REFUSAL) from None


def encode_place(at: datetime, row_id: UUID) -> str:
    """Return the cursor that stands for a place."""
    return base64.urlsafe_b64encode(f"{at.isoformat()} {row_id}".encode()).decode().rstrip("=")


def _parse_row_number(cursor: Any, field: str) -> int:
    try:
        number = parse_number(cursor, field) if isinstance(cursor, str) else 0
    except FieldError:
        number = 0
    if not 0 < number < 10**18:
        raise FieldError(field, CURSOR_REFUSAL)
    return int(number)


class PageQuery(Query):
    """How many rows a page has."""

    limit: Annotated[int, Field(ge=1, le=PAGE_ROWS_MAX), converted(parse_number)] = PAGE_ROWS
    """How many rows the page has at most."""


class NumberedPageQuery(PageQuery):
    """The page of a list that is ordered by number."""

    cursor: Annotated[
        int | None,
        converted(_parse_row_number),
        WithJsonSchema({"type": "string", "pattern": "^[1-9][0-9]{0,17}$"}),
    ] = None
    """The `next_cursor` of the page before; leave it out for the first page."""

    @property
    def after(self) -> int:
        """The page begins after this number."""
        return self.cursor or 0


class TimedPageQuery(PageQuery):
    """The page of a list that shows the newest rows first."""

    cursor: Annotated[
        Place | None, converted(parse_place), WithJsonSchema({"type": "string", "format": "waypost-cursor"})
    ] = None
    """The `next_cursor` of the page before; leave it out for the first page."""


def page_of(
    kind: type[Page[Item]],
    rows: Sequence[Stored],
    limit: int,
    show: Callable[[Stored], Any],
    cursor_of: Callable[[Stored], str],
) -> Page[Item]:
    """Return a page of up to `limit` rows. `rows` has one row more if the list goes on."""
    shown = rows[:limit]
    return kind(items=[show(row) for row in shown], next_cursor=cursor_of(shown[-1]) if len(rows) > limit else None)
