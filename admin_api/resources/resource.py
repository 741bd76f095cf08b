"""What the four configured nouns have in common, as data: fields, SQL, served keys and the conflicts to expect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, LiteralString, NamedTuple

from admin_api.http import Field, Values
from admin_api.resources.addresses import Addresses
from admin_api.runtime import Database, Row
from tracking.runtime import WaypostError


class Created(NamedTuple):
    """A new object, and what is shown of it this once."""

    object_id: int
    shown_once: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Noun:
    """One configured noun.

    `select` yields its rows without a condition. `create` inserts a valid object inside the caller's transaction.
    `conflicts` turns a violated constraint into the error to raise. `in_use` says how to mend a refused deletion.
    """

    singular: str
    plural: LiteralString
    id_name: LiteralString
    fields: tuple[Field, ...]
    select: LiteralString
    create: Callable[[Database, Values, Addresses], Created]
    in_use: str
    conflicts: Mapping[str, Callable[[], WaypostError]] = field(default_factory=dict)
    # Its name in URLs, where that is not the table's.
    path: str | None = None
    # The keys of config.configuration.published that show this row at the edge.
    keys: Callable[[Row], list[str]] = lambda row: []
    # What its JSON shows beside the id, the fields and the times.
    extras: Callable[[Row, Addresses], Mapping[str, Any]] = lambda row, addresses: {}
    # Whether links show it at the edge, so that a change of it is one of all its links.
    shown_by_links: bool = False
    # Whether something that no foreign key knows of still needs it.
    is_needed: Callable[[Database, int], bool] = lambda database, object_id: False


def present(noun: Noun, row: Row, addresses: Addresses) -> dict[str, Any]:
    """Return the JSON object of a row."""
    return {
        noun.id_name: row[noun.id_name],
        **{field.name: row[field.name] for field in noun.fields},
        **noun.extras(row, addresses),
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }
