"""Filters of lists as data: a name, how its text is read, the condition it stands for. The same in queries and bodies.

Conditions are ours; what a client sends is only ever a parameter of the statement.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

import falcon
from psycopg import sql

from admin_api.http.old_fields import ID_MAX
from admin_api.http.old_paging import decode_limit, parse_moment
from admin_api.http.old_requests import PAGE_ROWS
from tracking.money import parse_currency
from tracking.runtime import FieldError

Read = Callable[[str, str], Any]
# The reader of a moment, or of a day for its beginning.
moment = parse_moment
_SHOWN = 64


class Filter(NamedTuple):
    """One filter. `condition` names its value with a placeholder of the filter's name."""

    name: str
    read: Read
    condition: LiteralString


class Chosen(NamedTuple):
    """What a request asked for: conditions, all of which hold, and their values."""

    conditions: list[sql.SQL]
    values: dict[str, Any]

    def where(self, *more: sql.Composable) -> sql.Composable:
        """Return the where clause, with more conditions if there are any; empty without."""
        conditions = [*self.conditions, *more]
        return sql.SQL("where {}").format(sql.SQL(" and ").join(conditions)) if conditions else sql.SQL("")


def choose(filters: Sequence[Filter], given: Mapping[str, Any], field: str = "") -> Chosen:
    """Return what `given`, a query or a JSON object, asks for, or raise FieldError. `field` goes before names."""
    known = {each.name: each for each in filters}
    for name in given:
        if name not in known:
            raise FieldError(f"{field}{name[:_SHOWN]}", f"the filters are {', '.join(known)}", code="unknown-field")
    chosen = [(known[name], f"{field}{name}", value) for name, value in given.items()]
    return Chosen(
        [sql.SQL(each.condition) for each, _, _ in chosen],
        {each.name: each.read(_text(value, name), name) for each, name, value in chosen},
    )


def decode_list(req: falcon.Request, filters: Sequence[Filter]) -> tuple[Chosen, int, int]:
    """Return the filters of a list in the order of ids, the id to begin after and how many are wanted."""
    chosen = choose(filters, {name: value for name, value in req.params.items() if name not in ("limit", "cursor")})
    cursor = req.get_param("cursor") or "0"
    if not re.fullmatch("[0-9]{1,18}", cursor):
        raise FieldError("cursor", "cursor must be the next_cursor of an earlier answer, unchanged")
    return chosen, int(cursor), decode_limit(req, PAGE_ROWS)


def word(*words: str) -> Read:
    """Read one of some words, or several with commas between them: any of them."""

    def read(text: str, field: str) -> list[str]:
        chosen = text.split(",")
        if not set(chosen) <= set(words):
            raise FieldError(field, f"{field} must be of {', '.join(words)}; separate several by commas")
        return chosen

    return read


def matching(pattern: str, meaning: str) -> Read:
    """Read text that a whole pattern matches; `meaning` completes the sentence `must be`."""
    compiled = re.compile(pattern)

    def read(text: str, field: str) -> str:
        if not compiled.fullmatch(text):
            raise FieldError(field, f"{field} must be {meaning}")
        return text

    return read


def number(text: str, field: str) -> int:
    """Read the number of an object."""
    if not re.fullmatch("[0-9]{1,19}", text) or not 1 <= int(text) <= ID_MAX:
        raise FieldError(field, f"{field} must be the number of an object")
    return int(text)


def uuid(text: str, field: str) -> UUID:
    """Read a UUID."""
    try:
        return UUID(text)
    except ValueError:
        raise FieldError(field, f"{field} must be a UUID") from None


def currency(text: str, field: str) -> str:
    """Read an ISO 4217 code."""
    return parse_currency(text, field)


def flag(text: str, field: str) -> bool:
    """Read true or false."""
    if text not in ("true", "false"):
        raise FieldError(field, f"{field} must be true or false")
    return text == "true"


def _text(value: Any, field: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        value = ",".join(value)
    if not isinstance(value, str) or "\x00" in value:
        raise FieldError(field, f"{field} must be text or a number")
    return value
