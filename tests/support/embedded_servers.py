"""The embedded PostgreSQL and Valkey as tests use them: each in a directory of its own, on a free port.

Their data lies in memory where there is room: copying a database takes 0.02 s there, and 0.4 s on a disk.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from config.embedded import postgres, valkey
from config.embedded.postgres import EmbeddedPostgres, embedded_postgres
from config.embedded.valkey import EmbeddedValkey, embedded_valkey
from waiting import free_port, wait_until

# What a crash of the machine would lose is of no interest here, and tests commit much. Each test has a database of its
# own, so few buffers are to be looked through when it goes. Tests connect often, so a password is hashed once only.
_UNSAFE_BUT_FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "max_wal_size": "256MB",
    "wal_compression": "off",
    "scram_iterations": "1",
}
_MEMORY = Path("/dev/shm")
_MEMORY_BYTES_MIN = 2 << 30


@contextmanager
def server_home() -> Iterator[Path]:
    """Yield a new directory that the unprivileged user of PostgreSQL can traverse, which pytest's own cannot be."""
    home = Path(tempfile.mkdtemp(prefix="waypost-tests-", dir=_place()))
    home.chmod(0o755)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def running_postgres(home: Path) -> Iterator[EmbeddedPostgres]:
    """Run an embedded PostgreSQL with its data in `home`."""
    server = embedded_postgres(home, "", free_port(), secrets.token_hex(8), _UNSAFE_BUT_FAST)
    server.prepare()
    with (home / "postgres.log").open("wb") as log:
        process = subprocess.Popen(
            server.command(), cwd=server.data, stdout=log, stderr=log, start_new_session=True, **server.owner.switch
        )
        try:
            wait_until(lambda: _alive(process, home) and server.is_ready(process.pid), what="the embedded PostgreSQL")
            _hash_the_password_once(server)
            yield server
        finally:
            process.send_signal(postgres.STOP_SIGNAL)
            process.wait(timeout=30)


@contextmanager
def running_valkey(home: Path) -> Iterator[EmbeddedValkey]:
    """Run an embedded Valkey with its data in `home`."""
    server = embedded_valkey(home, free_port(), secrets.token_hex(8))
    server.prepare()
    with (home / "valkey.log").open("wb") as log:
        process = subprocess.Popen(server.command(), stdout=log, stderr=log, start_new_session=True)
        try:
            wait_until(lambda: _alive(process, home) and server.is_ready(process.pid), what="the embedded Valkey")
            yield server
        finally:
            process.send_signal(valkey.STOP_SIGNAL)
            process.wait(timeout=30)


def _alive(process: subprocess.Popen[bytes], home: Path) -> bool:
    if process.poll() is not None:
        logs = "\n".join(path.read_text(errors="replace") for path in sorted(home.glob("*.log")))
        raise AssertionError(f"a server stopped while starting:\n{logs}")
    return True


def _place() -> Path | None:
    """Return a directory in memory with room for servers that may hold programs too; None for the usual place."""
    try:
        found = os.statvfs(_MEMORY)
    except OSError:
        return None
    is_usable = os.access(_MEMORY, os.W_OK) and not found.f_flag & os.ST_NOEXEC
    return _MEMORY if is_usable and found.f_bavail * found.f_frsize >= _MEMORY_BYTES_MIN else None


def _hash_the_password_once(server: EmbeddedPostgres) -> None:
    """Store the password anew, under the `scram_iterations` of this server; initdb does not know them."""
    with psycopg.connect(server.url("postgres")) as connection:
        connection.execute(f"alter role {postgres.ROLE} password '{server.password}'")
