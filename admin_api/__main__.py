"""`python -m admin_api`: checks that the admin API can run, then becomes gunicorn with config/gunicorn_admin.py."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import config
from admin_api.database_roles import require_roles
from admin_api.runtime import connect_database, connect_redis
from config.database import require_schema
from config.settings import admin_settings
from tracking.runtime import WaypostError

GUNICORN_CONFIG = Path(config.__file__).resolve().parent / "gunicorn_admin.py"


def main() -> NoReturn:
    """Become gunicorn, or print one sentence that says why not and exit with 1."""
    try:
        settings = admin_settings()
        connect_redis(settings.redis_url).close()
        with closing(connect_database(settings.admin_database_url)) as database:
            require_roles(database)
            require_schema(database)
    except WaypostError as error:
        sys.exit(f"waypost: {error.message}")
    # All arguments are ours, and no shell is involved.
    os.execv(  # noqa: S606
        sys.executable, [sys.executable, "-m", "gunicorn", "-c", str(GUNICORN_CONFIG), "admin_api.wsgi:app"]
    )


if __name__ == "__main__":
    main()
