"""What may name an archived object, and what keeps an object from being archived.

RACE: an object is archived while it is locked, so whoever saves a reference to it waits, and is checked afterwards.
"""

from __future__ import annotations

from typing import LiteralString, NamedTuple

from psycopg import sql

from admin_api.http import ConflictError
from admin_api.runtime import Database, Row
from tracking.runtime import FieldError


class Reference(NamedTuple):
    """A field that names another object: the field, its kind in words, and that kind's table and key."""

    field: LiteralString
    singular: str
    table: LiteralString
    key: LiteralString


def refuse_archived(database: Database, row: Row, references: tuple[Reference, ...]) -> None:
    """Raise FieldError if an object that was just saved names an archived one."""
    for reference in references:
        if row[reference.field] is None:
            continue
        query = sql.SQL("select exists (select from {} where {} = %s and archived_at is not null) as archived").format(
            sql.Identifier(reference.table), sql.Identifier(reference.key)
        )
        found = database.execute(query, [row[reference.field]]).fetchone()
        if found is not None and found["archived"]:
            raise FieldError(
                reference.field,
                f"{reference.field} names a {reference.singular} that is archived; restore it, or name another",
                code="archived",
            )


def refuse_if_named(database: Database, number: int, users: dict[str, LiteralString]) -> None:
    """Raise ConflictError if something in use names an object.

    `users` has the conditions that find it, by what it is called: `from links where ...` with one placeholder.
    """
    for name, found_in in users.items():
        found = database.execute(
            sql.SQL("select exists (select {}) as used").format(sql.SQL(found_in)), [number]
        ).fetchone()
        if found is not None and found["used"]:
            raise ConflictError(
                f"{name} that are not archived still name it; archive or change them first", code="in-use"
            )
