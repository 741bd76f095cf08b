"""SQL of the configured resources. Every change bumps the revision and writes its outbox row in the same transaction.

Names of tables and columns come from the resources' own tables, never from a request; values are always parameters.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import sql
from psycopg.errors import ForeignKeyViolation, IntegrityError

from admin_api.http import ConflictError, NotFoundError, RevisionError, Revisions, Values
from admin_api.resources.addresses import Addresses
from admin_api.resources.resource import Created, Resource
from admin_api.runtime import Database, Row, save_change


def load_one(database: Database, resource: Resource, object_id: int, *, lock: bool = False) -> Row:
    """Return one object, or raise NotFoundError; with `lock`, it is held until the transaction ends."""
    query = sql.SQL("{} where {}.{} = %s {}").format(
        sql.SQL(resource.select),
        sql.Identifier(resource.plural),
        sql.Identifier(resource.id_name),
        sql.SQL("for update of {}").format(sql.Identifier(resource.plural)) if lock else sql.SQL(""),
    )
    row = database.execute(query, [object_id]).fetchone()
    if row is None:
        raise NotFoundError(f"there is no {resource.singular} {object_id}")
    return row


def load_page(database: Database, resource: Resource, after: int, limit: int) -> list[Row]:
    """Return up to `limit` objects with ids above `after`, in order."""
    column = sql.Identifier(resource.plural, resource.id_name)
    query = sql.SQL("{} where {} > %s order by {} limit %s").format(sql.SQL(resource.select), column, column)
    return database.execute(query, [after, limit]).fetchall()


def insert(database: Database, resource: Resource, values: Values) -> Created:
    """Insert one row inside the caller's transaction."""
    query = sql.SQL("insert into {} ({}) values ({}) returning {}").format(
        sql.Identifier(resource.plural),
        sql.SQL(", ").join(map(sql.Identifier, values)),
        sql.SQL(", ").join(map(sql.Placeholder, values)),
        sql.Identifier(resource.id_name),
    )
    row = database.execute(query, values).fetchone()
    assert row is not None
    return Created(row[resource.id_name], {})


def save_new(database: Database, resource: Resource, values: Values, addresses: Addresses) -> tuple[Row, Created]:
    """Store a new object. Raises ConflictError, or FieldError for a reference to nothing."""
    with _conflicts_of(resource), database.transaction():
        created = resource.create(database, resource.prepare(database, values), addresses)
        row = load_one(database, resource, created.object_id)
        save_change(database, resource.keys(row))
    return row, created


def save_changes(database: Database, resource: Resource, object_id: int, changes: Values, allowed: Revisions) -> Row:
    """Change an object and return it. Raises what `save_new` does, NotFoundError and RevisionError."""
    with _conflicts_of(resource), database.transaction():
        before = _locked(database, resource, object_id, allowed)
        changes = resource.prepare(database, changes)
        if all(before[name] == value for name, value in changes.items()):
            return before
        assignments = [sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in changes]
        query = sql.SQL("update {} set {}, revision = revision + 1, updated_at = now() where {} = %(this_id)s").format(
            sql.Identifier(resource.plural), sql.SQL(", ").join(assignments), sql.Identifier(resource.id_name)
        )
        database.execute(query, changes | {"this_id": object_id})
        after = load_one(database, resource, object_id)
        save_change(
            database, resource.keys(before) + resource.keys(after), object_id if resource.shown_by_links else None
        )
    return after


def remove(database: Database, resource: Resource, object_id: int, allowed: Revisions) -> None:
    """Delete an object. Raises NotFoundError, RevisionError, and ConflictError while something uses it."""
    in_use = ConflictError(resource.in_use, code="in-use")
    query = sql.SQL("delete from {} where {} = %s").format(
        sql.Identifier(resource.plural), sql.Identifier(resource.id_name)
    )
    try:
        with database.transaction():
            before = _locked(database, resource, object_id, allowed)
            if resource.is_needed(database, object_id):
                raise in_use
            database.execute(query, [object_id])
            save_change(database, resource.keys(before))
    except ForeignKeyViolation as error:
        raise in_use from error


def _locked(database: Database, resource: Resource, object_id: int, allowed: Revisions) -> Row:
    row = load_one(database, resource, object_id, lock=True)
    if allowed is not None and row["revision"] not in allowed:
        raise RevisionError(
            f"this {resource.singular} has changed since you read it: its revision is {row['revision']}; read it again"
        )
    return row


@contextmanager
def _conflicts_of(resource: Resource) -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        expected = resource.conflicts.get(error.diag.constraint_name or "")
        if expected is None:
            raise
        raise expected() from error
