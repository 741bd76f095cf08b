"""`python -m admin_api.rotate_secrets`: seals every stored secret with the first key of SECRETS_KEYS.

After it the other keys can go. It may be interrupted and run again, and may run while everything else does: a row is
changed only if nobody else has changed it meanwhile. `python -m admin_api.migrate` seals after an update what an older
release stored in clear.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import NamedTuple

from psycopg import sql
from psycopg.errors import Error as DatabaseError

from admin_api.runtime import Database, connect_database
from config.database import require_schema
from config.sealing import SealError, Seals, is_sealed
from config.settings import admin_settings
from tracking.runtime import SECRET_BYTES, WaypostError, encode_secret

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


_ONE_OF_EACH_KEY = sql.SQL(
    "select distinct on (array(select split_part(unnest, ':', 2) from unnest(string_to_array({secrets}::text, ','))))"
    " {secrets} as secrets from {table} where {secrets}::text like '%sealed:%'"
)


def seal_clear(database: Database, seals: Seals) -> int:
    """Seal what an older release stored in clear, and return how many rows were changed."""
    return _change(database, lambda stored: stored if is_sealed(stored) else seals.seal(stored))


def seal_stored(database: Database, seals: Seals) -> int:
    """Seal what is not sealed with the newest key, and return how many rows were changed.

    Raises SealError for a secret whose key is not among the keys; what was changed before it stays changed.
    """
    return _change(database, lambda stored: stored if seals.is_newest(stored) else seals.seal(seals.unseal(stored)))


def replace_lost(database: Database, seals: Seals) -> int:
    """Put a new secret that nobody knows in the place of each one that no key opens, and return how many rows have one.

    Until somebody makes and hands out a new secret, what was signed with the lost one is refused. The second factors of
    users stay as they are: an owner removes them one by one.
    """

    def replaced(stored: str) -> str:
        try:
            seals.unseal(stored)
        except SealError:
            return seals.seal(encode_secret(secrets.token_bytes(SECRET_BYTES)))
        return stored

    return _change(database, replaced, [column for column in SEALED_COLUMNS if column.table != "users"])


def require_keys(database: Database, seals: Seals) -> None:
    """Raise SealError if there is a stored secret that none of the keys sealed. One of each key is looked at."""
    for column in SEALED_COLUMNS:
        for row in database.execute(_compose(_ONE_OF_EACH_KEY, column)).fetchall():
            # A column holds one secret, or an array of them.
            for stored in [row["secrets"]] if isinstance(row["secrets"], str) else row["secrets"]:
                seals.unseal(stored)


def _change(database: Database, change: Callable[[str], str], columns: Sequence[SealedColumn] = SEALED_COLUMNS) -> int:
    """Change every stored secret by a function, and return how many rows became others."""
    return sum(_change_row(database, change, column, *row) for column in columns for row in _rows(database, column))


def _rows(database: Database, column: SealedColumn) -> Iterator[tuple[int, list[str]]]:
    """Yield the ids and secrets of a table, page by page, so that no snapshot is held while rows are changed."""
    after = 0
    statement = sql.SQL(
        "select {id} as id, {secrets} as secrets from {table} where {id} > %s and {secrets} is not null"
        " order by {id} limit %s"
    )
    query = _compose(statement, column)
    while rows := database.execute(query, [after, ROWS_PER_FETCH]).fetchall():
        after = rows[-1]["id"]
        yield from ((row["id"], row["secrets"] if column.is_array else [row["secrets"]]) for row in rows)


def _change_row(
    database: Database, change: Callable[[str], str], column: SealedColumn, row_id: int, stored: list[str]
) -> bool:
    """Change the secrets of a row. RACE: if it is not what was read, it was made anew, so with the newest key."""
    changed = [change(each) for each in stored]
    if changed == stored:
        return False
    query = _compose(sql.SQL("update {table} set {secrets} = %s where {id} = %s and {secrets} = %s"), column)
    values = [changed, row_id, stored] if column.is_array else [changed[0], row_id, stored[0]]
    return database.execute(query, values).rowcount == 1


def _compose(statement: sql.SQL, column: SealedColumn) -> sql.Composed:
    names = {"id": column.id_name, "secrets": column.column, "table": column.table}
    return statement.format(**{name: sql.Identifier(value) for name, value in names.items()})


def main(arguments: Sequence[str] | None = None) -> int:
    """Seal everything with the first key. If that fails, print one sentence and return 1."""
    parser = argparse.ArgumentParser(prog="python -m admin_api.rotate_secrets", description="Seal stored secrets anew.")
    parser.add_argument("--replace-lost", action="store_true", help="first replace secrets whose key is lost for ever")
    chosen = parser.parse_args(arguments)
    try:
        settings = admin_settings()
        seals = Seals(settings.secrets_keys)
        with closing(connect_database(settings.database_url)) as database:
            require_schema(database)
            replaced = replace_lost(database, seals) if chosen.replace_lost else 0
            changed = seal_stored(database, seals)
    except (WaypostError, DatabaseError) as error:
        sys.stderr.write(f"waypost: {str(error).strip().splitlines()[0]}\n")
        return 1
    if replaced:
        sys.stdout.write(f"replaced the secrets of {replaced} rows; make new ones and hand them out\n")
    sys.stdout.write(f"sealed the secrets of {changed} rows with the first key; the others seal nothing any more\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
