"""`python -m admin_api.migrate`: brings the database to this release's schema, and makes the first API token.

Migrations are numbered files, forward only, one transaction each. Two runs at once are safe: the second waits.
"""

from __future__ import annotations

import re
import sys
from contextlib import closing
from pathlib import Path

from psycopg.errors import Error as DatabaseError

from admin_api.database_roles import admit_login, give_rights, make_roles
from admin_api.rotate_secrets import seal_clear
from admin_api.runtime import Database, connect_database
from config.configuration import hash_token
from config.database import GRANTS_SINCE, SchemaError, applied_migrations, migration_files
from config.sealing import Seals
from config.settings import admin_settings, secret
from tracking.runtime import WaypostError

TOKEN_FILE = "admin-token"  # noqa: S105
TOKEN_PREFIX = "wp_"  # noqa: S105
TOKEN_BYTES = 32
# PostgreSQL's advisory locks are numbers; this is the migration's.
LOCK_NUMBER = 0x77617970_6F737402
_TOKEN = re.compile(rf"{TOKEN_PREFIX}[A-Za-z0-9_-]{{20,190}}")


class TokenFileError(WaypostError):
    """The file of the first API token holds something else."""

    code = "bad-token-file"


def migrate(database: Database, files: list[Path]) -> list[str]:
    """Apply the missing migrations and return their names. Raises SchemaError for a database of a newer release.

    `database` is in autocommit. The lock that this takes is held until the connection is closed.
    """
    database.execute("select pg_advisory_lock(%s)", [LOCK_NUMBER])
    database.execute(
        "create table if not exists schema_migrations ("
        "name text primary key, applied_at timestamptz not null default now())"
    )
    applied = applied_migrations(database)
    unknown = sorted(applied - {path.stem for path in files})
    if unknown:
        raise SchemaError(
            f"the database that DATABASE_URL names has migration {unknown[-1]}, which this release does not know: it"
            " belongs to a newer release of Waypost; run that one, or set DATABASE_URL to another database"
        )
    make_roles(database)
    missing = [path for path in files if path.stem not in applied]
    for path in missing:
        with database.transaction():
            database.execute(path.read_bytes())
            database.execute("insert into schema_migrations (name) values (%s)", [path.stem])
    if any(path.stem >= GRANTS_SINCE for path in files):
        give_rights(database)
    return [path.stem for path in missing]


def keep_first_token(database: Database, home: Path) -> Path | None:
    """If the database has no API token, store that of the file in `home`, made if need be. Return the file's path.

    A file that exists is kept, so that an operator keeps the token when the database is made anew. The file is
    written before the row: after a crash in between, the next run stores the token.
    """
    with database.transaction():
        if database.execute("select token_id from api_tokens limit 1").fetchone():
            return None
        path = home / TOKEN_FILE
        token = secret(home, TOKEN_FILE, TOKEN_BYTES, prefix=TOKEN_PREFIX)
        if not _TOKEN.fullmatch(token):
            raise TokenFileError(f"{path} does not hold an API token; move it away and start again")
        database.execute("insert into api_tokens (token_hash, name) values (%s, 'first')", [hash_token(token)])
    return path


def main() -> int:
    """Migrate the database of DATABASE_URL. If that fails, print one sentence and return 1."""
    try:
        settings = admin_settings()
        with closing(connect_database(settings.database_url)) as database:
            for name in migrate(database, migration_files()):
                sys.stdout.write(f"applied {name}\n")
            admit_login(database, settings.admin_database_url)
            seal_clear(database, Seals(settings.secrets_keys))
            path = keep_first_token(database, settings.home)
    except WaypostError as error:
        sys.stderr.write(f"waypost: {error.message}\n")
        return 1
    except DatabaseError as error:
        reason = str(error).strip().splitlines()[0]
        sys.stderr.write(f"waypost: the database that DATABASE_URL names cannot be migrated: {reason}\n")
        return 1
    if path is not None:
        sys.stdout.write(f"the first API token is in {path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
