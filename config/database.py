"""The migrations of this release, and the check that refuses a database without them. All PostgreSQL clients use it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import tuple_row

from tracking.runtime import WaypostError

MIGRATIONS_DIR = Path(__file__).resolve().parent.parent / "migrations"
GRANTS_FILE = MIGRATIONS_DIR / "grants.sql"
# From this migration on the roles of the admin API have rights.
GRANTS_SINCE = "0023_row_rules"


class SchemaError(WaypostError):
    """The database's schema is older than this release, which could lose or corrupt data in it."""

    code = "old-schema"


def migration_files() -> list[Path]:
    """Return the migrations in order: `NNNN_slug.sql`."""
    return sorted(MIGRATIONS_DIR.glob("[0-9][0-9][0-9][0-9]_*.sql"))


def applied_migrations(connection: psycopg.Connection[Any]) -> set[str]:
    """Return the names of a database's migrations, an empty set if it was never migrated."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        found = cursor.execute("select to_regclass('schema_migrations') is not null").fetchone()
        if not found or not found[0]:
            return set()
        return {row[0] for row in cursor.execute("select name from schema_migrations")}


def require_schema(connection: psycopg.Connection[Any]) -> None:
    """Raise SchemaError unless every migration of this release is applied."""
    applied = applied_migrations(connection)
    missing = [path.stem for path in migration_files() if path.stem not in applied]
    if missing:
        raise SchemaError(
            f"the database that DATABASE_URL names lacks migration {missing[0]};"
            " run `python -m admin_api.migrate` first"
        )
