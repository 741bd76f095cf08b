"""`python -m admin_api`: checks that the admin API can run, then becomes gunicorn with config/gunicorn_admin.py.
`python -m admin_api stream` does the same for the live stream, which granian serves on STREAM_PORT.
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import config
from admin_api import invite
from admin_api.database_roles import require_roles
from admin_api.rotate_secrets import require_keys
from admin_api.runtime import connect_database, connect_redis
from config.database import require_schema
from config.sealing import Seals
from config.settings import AdminSettings, SettingError, admin_settings
from config.tracing import start_tracing
from tracking.runtime import WaypostError

GUNICORN_CONFIG = Path(config.__file__).resolve().parent / "gunicorn_admin.py"
# A position of the stream is in a header, and so may be a long cookie.
_HEADER_BYTES_MAX = 16_384


def command(settings: AdminSettings, part: str | None) -> list[str]:
    """Return the command line of the admin API, or of the live stream. Raises SettingError."""
    if part is None:
        return [sys.executable, "-m", "gunicorn", "-c", str(GUNICORN_CONFIG), "admin_api.wsgi:app"]
    if not settings.stream_port:
        raise SettingError("STREAM_PORT is 0, which means no live stream; set it to a port", field="STREAM_PORT")
    return [
        *(sys.executable, "-m", "granian", "--host", settings.host, "--port", str(settings.stream_port)),
        # One process: it has the one reader of the database, and gives all viewers what it read.
        *("--workers", "1", "--interface", "asgi", "--loop", "asyncio", "--no-ws", "--http", "1"),
        # Streams never end by themselves, so a stop waits for none: viewers resume when the process is back.
        *("--respawn-failed-workers", "--workers-kill-timeout", "1", "--backlog", "2048"),
        *("--http1-header-read-timeout", "8000", "--http1-buffer-size", str(_HEADER_BYTES_MAX)),
        *("--log-level", settings.log_level, "admin_api.stream_server:app"),
    ]


def main() -> NoReturn:
    """Become the server, or print one sentence that says why not and exit with 1."""
    parser = argparse.ArgumentParser(prog="python -m admin_api", description="Serve the admin API.")
    parser.add_argument("part", nargs="?", choices=["stream"], help="the live stream, in a process of its own")
    part = parser.parse_args().part
    try:
        settings = admin_settings()
        # Refused here in one sentence, not later with a traceback.
        start_tracing(settings.traces_endpoint, "waypost-admin")
        arguments = command(settings, part)
        connect_redis(settings.redis_url).close()
        with closing(connect_database(settings.admin_database_url)) as database:
            require_roles(database)
            require_schema(database)
            require_keys(database, Seals(settings.secrets_keys))
    except WaypostError as error:
        sys.exit(f"waypost: {error.message}")
    # All arguments are ours, and no shell is involved.
    os.execv(arguments[0], arguments)  # noqa: S606


if __name__ == "__main__":
    if sys.argv[1:2] == ["invite"]:
        sys.exit(invite.main(sys.argv[2:]))
    main()
