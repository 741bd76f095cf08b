"""SQL of versions. Triggers write them; nothing here changes one.

Names of tables and columns come from the declared resources and not from a request; values are always parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from psycopg import sql
from pydantic_core import PydanticUndefined

from admin_api.http import ConflictError, InvalidFieldsError, NotFoundError, Revisions, decode_json
from admin_api.resources import Key, Resource, load_one, save_changes
from admin_api.runtime import Database, Row
from tracking.runtime import FieldError

REFUSED = "rollback-refused"


def load_versions(database: Database, resource: Resource, object_id: Key, below: int | None, limit: int) -> list[Row]:
    """Return up to `limit` versions of an object, the newest first, from below a revision on."""
    query = sql.SQL("{} and (%s::bigint is null or revision < %s) order by revision desc limit %s").format(
        _select(resource)
    )
    return database.execute(query, [object_id, below, below, limit]).fetchall()


def load_version(database: Database, resource: Resource, object_id: Key, revision: int) -> tuple[Row, Row | None]:
    """Return a version and the one before it, if there is one. Raises NotFoundError."""
    found = load_versions(database, resource, object_id, revision + 1, 2)
    if not found or found[0]["revision"] != revision:
        raise NotFoundError(f"this {resource.singular} has no revision {revision}")
    return found[0], found[1] if len(found) > 1 else None


def fields_of(resource: Resource, stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a version. One that is not stored was null, or did not exist yet and has its default."""
    fields = {}
    for name, field in resource.fields.model_fields.items():
        default = field.get_default(call_default_factory=True)
        column = field.alias or name
        fields[column] = stored.get(column, None if default is PydanticUndefined else default)
    return fields


def roll_back(database: Database, resource: Resource, object_id: Key, revision: int, allowed: Revisions) -> Row:
    """Make an object what it was at a revision, as a new one. Nothing that was stored of it changes.

    Raises NotFoundError, RevisionError, and ConflictError where the object can no longer be what it was.
    """
    with database.transaction():
        load_one(database, resource, object_id, lock=True)
        version, _ = load_version(database, resource, object_id, revision)
        was = orjson.dumps(fields_of(resource, version["fields"]))
        try:
            # The rules may have become stricter since, so it is read as if a client had sent it.
            values = decode_json(was, resource.fields).values()
            return save_changes(database, resource, object_id, values, allowed)
        except (FieldError, InvalidFieldsError) as error:
            said = f"this {resource.singular} can no longer be what it was at revision {revision}: {error.message}"
            raise ConflictError(said, code=REFUSED, field=error.field) from error


def _select(resource: Resource) -> sql.Composed:
    return sql.SQL("select revision, changed_at, token_id, changed_by, fields from {} where {} = %s").format(
        sql.Identifier(f"{resource.singular}_versions"), sql.Identifier(resource.id_name)
    )
