"""SQL for single rows, by the names of their columns. The names are ours, not a request's; values are parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, LiteralString

from psycopg import sql

from admin_api.runtime import Database, Row


def insert_row(database: Database, table: str, values: Mapping[str, Any], returning: LiteralString) -> Row:
    """Insert a row and return its columns that `returning` names."""
    query = sql.SQL("insert into {} ({}) values ({}) returning {}").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, values)),
        sql.SQL(", ").join(map(sql.Placeholder, values)),
        sql.SQL(returning),
    )
    row = database.execute(query, values).fetchone()
    assert row is not None
    return row


def update_row(database: Database, table: str, key_name: str, key: Any, changes: Mapping[str, Any]) -> None:
    """Change columns of the row with this key, and bump its revision."""
    query = sql.SQL("update {} set {}, revision = revision + 1, updated_at = now() where {} = %(this_key)s").format(
        sql.Identifier(table),
        sql.SQL(", ").join(sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in changes),
        sql.Identifier(key_name),
    )
    database.execute(query, {**changes, "this_key": key})
