"""Lists that a client may sort by several columns. The cursor of each order says where the last page ended in it.

Every order ends with the row's number, so it is total: rows that are added while somebody reads are neither repeated
nor make others be left out.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Literal, LiteralString, NamedTuple

import orjson
from psycopg import sql
from pydantic import Field, WithJsonSchema, create_model

from admin_api.http.filters import Chosen
from admin_api.http.paging import CURSOR_REFUSAL, PageQuery
from tracking.runtime import FieldError

_CURSOR_CHARACTERS_MAX = 2000
_NUMBER_MAX = 2**63 - 1


class Column(NamedTuple):
    """What a list may be sorted by: an SQL expression that is never null, and the type of its values."""

    sql: LiteralString
    kind: type[int] | type[str] | type[datetime]


class Order(NamedTuple):
    """The order of one request: its name, such as `-created_at`, the column, and the column with the row's number."""

    name: str
    column: Column
    number: LiteralString
    descending: bool

    def page(self, chosen: Chosen, cursor: str | None) -> tuple[sql.Composable, dict[str, Any]]:
        """Return the end of a query, from `where` to `order by`, with its values.

        Raises FieldError for a cursor that is none, or that belongs to another order.
        """
        direction, further = ("desc", "<") if self.descending else ("asc", ">")
        # PERF: an order by the number alone is one column, since an index serves no pair of the same column twice.
        columns = [self.number] if self.column.sql == self.number else [self.column.sql, self.number]
        values = dict(chosen.values)
        more: list[sql.Composable] = []
        if cursor is not None:
            values |= dict(zip(("after_value", "after_number"), self._decode(cursor), strict=True))
            # The type is named, since a parameter of text would be compared with a number as text.
            marks = [f"%(after_value)s{_CASTS[self.column.kind]}", "%(after_number)s::bigint"][-len(columns) :]
            more.append(
                sql.SQL("({}) {} ({})").format(
                    sql.SQL(", ").join(map(sql.SQL, columns)),
                    sql.SQL(further),
                    sql.SQL(", ").join(map(sql.SQL, marks)),
                )
            )
        sorted_by = sql.SQL(", ").join(sql.SQL(f"{each} {direction}") for each in columns)
        tail = sql.SQL("{} order by {}").format(chosen.where(*more), sorted_by)
        return tail, values

    def cursor(self, value: Any, number: int) -> str:
        """Return the cursor of the page after the row with this value and number."""
        data = orjson.dumps([self.name, value, number])
        return base64.urlsafe_b64encode(data).decode().rstrip("=")

    def _decode(self, cursor: str) -> tuple[Any, int]:
        try:
            data = orjson.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
            name, value, number = data
            if self.column.kind is datetime:
                value = datetime.fromisoformat(value)
                if value.tzinfo is None:
                    raise ValueError
        except (ValueError, TypeError, binascii.Error):
            raise FieldError("cursor", CURSOR_REFUSAL) from None
        whole = [number, *([value] if self.column.kind is int else [])]
        if (
            name != self.name
            or type(value) is not self.column.kind
            or any(type(each) is not int or abs(each) > _NUMBER_MAX for each in whole)
            or (isinstance(value, str) and "\x00" in value)
        ):
            raise FieldError("cursor", f"{CURSOR_REFUSAL}, and of the same sort")
        return value, number


_CASTS: Mapping[Any, LiteralString] = {int: "::bigint", str: "::text", datetime: "::timestamptz"}


class SortedPageQuery(PageQuery):
    """The page of a list that can be sorted."""

    cursor: Annotated[
        str | None,
        Field(min_length=1, max_length=_CURSOR_CHARACTERS_MAX),
        WithJsonSchema({"type": "string", "format": "waypost-sorted-cursor"}),
    ] = None
    """The `next_cursor` of the page before, with the same `sort`; leave it out for the first page."""


# Cached, since a class takes 5 ms to make.
@cache
def sorted_query(name: str, columns: tuple[str, ...], usual: str, filters: type[Any]) -> type[Any]:
    """Return the class of the parameters of a list with filters, which may be sorted by columns in both directions."""
    words = tuple(f"{sign}{column}" for column in columns for sign in ("", "-"))
    text = "What it is sorted by; with a minus, the greatest comes first."
    sort: Any = (Literal[words], Field(default=usual, description=text))
    return create_model(name, __base__=(filters, SortedPageQuery), sort=sort)


def order_of(sort: str, columns: Mapping[str, Column], number: LiteralString) -> Order:
    """Return the order that a `sort` of a request stands for."""
    return Order(sort, columns[sort.removeprefix("-")], number, sort.startswith("-"))
