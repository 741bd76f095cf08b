"""SQL of the configured resources. Every change bumps the revision and writes its outbox row in the same transaction.

Names of tables and columns come from the declared resources and not from a request; values are always parameters.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from psycopg import sql
from psycopg.errors import ForeignKeyViolation, IntegrityError

from admin_api.http import Chosen, ConflictError, NotFoundError, Order, Revisions, Values, require_revision
from admin_api.resources.addresses import Addresses
from admin_api.resources.resource import Created, Key, Resource
from admin_api.resources.rows import insert_row, update_row
from admin_api.runtime import Database, Row, save_change


def load_one(database: Database, resource: Resource, object_id: Key, *, lock: bool = False) -> Row:
    """Return one object, or raise NotFoundError. With `lock`, the object stays locked until the transaction ends."""
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


def load_page(
    database: Database, resource: Resource, chosen: Chosen, order: Order, cursor: str | None, limit: int
) -> list[Row]:
    """Return up to `limit` objects that filters find, in an order, after a cursor. Raises FieldError for a bad one.

    The query is planned with its values, since the best index depends on the filters.
    """
    tail, values = order.page(chosen, cursor)
    query = sql.SQL("{} {} limit %(limit)s").format(sql.SQL(resource.select), tail)
    return database.execute(query, {**values, "limit": limit}, prepare=False).fetchall()


def insert(database: Database, resource: Resource, values: Values) -> Created:
    """Insert one row inside the caller's transaction."""
    row = insert_row(database, resource.plural, values, resource.id_name)
    return Created(row[resource.id_name], {})


def save_new(database: Database, resource: Resource, values: Values, addresses: Addresses) -> tuple[Row, Created]:
    """Store a new object. Raises ConflictError, or FieldError for a reference to an object that does not exist."""
    with _conflicts_of(resource), database.transaction():
        created = resource.create(database, resource.prepare(database, values, None), addresses)
        row = load_one(database, resource, created.object_id)
        resource.check(database, row)
        save_change(database, resource.keys(row))
        _check_now(database)
    return row, created


def save_changes(database: Database, resource: Resource, object_id: Key, changes: Values, allowed: Revisions) -> Row:
    """Change an object and return it. Raises the errors of `save_new`, NotFoundError and RevisionError."""
    with _conflicts_of(resource), database.transaction():
        before = _locked(database, resource, object_id, allowed)
        if resource.archivable and before["archived_at"] is not None:
            raise ConflictError(
                f"this {resource.singular} is archived; restore it before you change it", code="archived"
            )
        changes = resource.prepare(database, changes, before)
        if all(before[name] == value for name, value in changes.items()):
            return before
        update_row(database, resource.plural, resource.id_name, object_id, changes)
        after = load_one(database, resource, object_id)
        resource.check(database, after)
        save_change(
            database, resource.keys(before) + resource.keys(after), object_id if resource.shown_by_links else None
        )
        _check_now(database)
    return after


def save_archived(database: Database, resource: Resource, object_id: Key, allowed: Revisions, *, archived: bool) -> Row:
    """Archive an object or restore it, and return it. If it is already so, nothing changes.

    Raises NotFoundError, RevisionError, and ConflictError while something needs it, or once it cannot be restored.
    """
    with _conflicts_of(resource), database.transaction():
        before = _locked(database, resource, object_id, allowed)
        if (before["archived_at"] is not None) is archived:
            return before
        if archived:
            resource.refuse_archive(database, before)
        update_row(
            database,
            resource.plural,
            resource.id_name,
            object_id,
            {"archived_at": datetime.now(UTC) if archived else None},
        )
        after = load_one(database, resource, object_id)
        if not archived:
            resource.check(database, after)
        save_change(database, resource.keys(after))
        _check_now(database)
    return after


def remove(database: Database, resource: Resource, object_id: Key, allowed: Revisions) -> None:
    """Delete an object. Raises NotFoundError, RevisionError, or ConflictError while something uses it."""
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


def _locked(database: Database, resource: Resource, object_id: Key, allowed: Revisions) -> Row:
    row = load_one(database, resource, object_id, lock=True)
    require_revision(row["revision"], allowed, resource.singular)
    return row


def _check_now(database: Database) -> None:
    # Constraints that wait for the end of the transaction are checked here, where what they refuse has a name: the
    # transaction may be part of another.
    database.execute("set constraints all immediate")
    database.execute("set constraints all deferred")


@contextmanager
def _conflicts_of(resource: Resource) -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        expected = resource.conflicts.get(error.diag.constraint_name or "")
        if expected is None:
            raise
        raise expected() from error
