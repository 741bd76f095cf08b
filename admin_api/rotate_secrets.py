"""`python -m admin_api.rotate_secrets`: seals every stored secret with the first key of SECRETS_KEYS.

After it the other keys can go. It may be interrupted and run again, and may run while everything else does: a row is
changed only if nobody else has changed it meanwhile. `python -m admin_api.migrate` does the same after an update, for
secrets that an older release stored in clear.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from typing import NamedTuple

from psycopg import sql
from psycopg.errors import Error as DatabaseError

from admin_api.runtime import Database, connect_database
from config.database import require_schema
from config.sealing import Seals
from config.settings import admin_settings
from tracking.runtime import WaypostError

ROWS_PER_FETCH = 500


class SealedColumn(NamedTuple):
    """A column with sealed secrets: one in a text, or several in an array."""

    table: str
    id_name: str
    column: str
    is_array: bool


# A test finds every column that is called a secret, and asks that it is here or holds no secret.
SEALED_COLUMNS = (
    SealedColumn("merchant_secrets", "secret_id", "secret", False),
    SealedColumn("outgoing_postbacks", "outgoing_postback_id", "secrets", True),
    SealedColumn("profiles", "profile_id", "next_hop_secrets", True),
    SealedColumn("users", "user_id", "totp_secret", False),
)


def seal_stored(database: Database, seals: Seals) -> int:
    """Seal what is not sealed with the newest key, and return how many rows were changed.

    Raises SealError for a secret whose key is not among the keys; what was changed before it stays changed.
    """
    return sum(_seal_row(database, seals, column, *row) for column in SEALED_COLUMNS for row in _rows(database, column))


def _rows(database: Database, column: SealedColumn) -> Iterator[tuple[int, list[str]]]:
    """Yield the ids and secrets of a table, page by page, so that no snapshot is held while rows are changed."""
    after = 0
    statement = sql.SQL(
        "select {id} as id, {secrets} as secrets from {table} where {id} > %s and {secrets} is not null order by {id} limit %s"
    )
    query = _compose(statement, column)
    while rows := database.execute(query, [after, ROWS_PER_FETCH]).fetchall():
        after = rows[-1]["id"]
        yield from ((row["id"], row["secrets"] if column.is_array else [row["secrets"]]) for row in rows)


def _seal_row(database: Database, seals: Seals, column: SealedColumn, row_id: int, stored: list[str]) -> bool:
    """Seal the secrets of a row. RACE: if it is not what was read, it was made anew, so with the newest key."""
    if all(seals.is_newest(each) for each in stored):
        return False
    sealed = [each if seals.is_newest(each) else seals.seal(seals.unseal(each)) for each in stored]
    query = _compose(sql.SQL("update {table} set {secrets} = %s where {id} = %s and {secrets} = %s"), column)
    values = [sealed, row_id, stored] if column.is_array else [sealed[0], row_id, stored[0]]
    return database.execute(query, values).rowcount == 1


def _compose(statement: sql.SQL, column: SealedColumn) -> sql.Composed:
    names = {"id": column.id_name, "secrets": column.column, "table": column.table}
    return statement.format(**{name: sql.Identifier(value) for name, value in names.items()})


def main() -> int:
    """Seal everything with the first key. If that fails, print one sentence and return 1."""
    try:
        settings = admin_settings()
        with closing(connect_database(settings.database_url)) as database:
            require_schema(database)
            changed = seal_stored(database, Seals(settings.secrets_keys))
    except (WaypostError, DatabaseError) as error:
        sys.stderr.write(f"waypost: {str(error).strip().splitlines()[0]}\n")
        return 1
    sys.stdout.write(f"sealed the secrets of {changed} rows with the first key; the others seal nothing any more\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
