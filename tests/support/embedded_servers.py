"""The embedded PostgreSQL and Valkey as tests use them: each in a directory of its own, on a free port."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.embedded import postgres, valkey
from config.embedded.postgres import EmbeddedPostgres, embedded_postgres
from config.embedded.valkey import EmbeddedValkey, embedded_valkey
from waiting import free_port, wait_until

# What a crash of the machine would lose is of no interest here, and tests commit much.
_UNSAFE_BUT_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "60"}


@contextmanager
def server_home() -> Iterator[Path]:
    """Yield a new directory that the unprivileged user of PostgreSQL can traverse, which pytest's own cannot be."""
    home = Path(tempfile.mkdtemp(prefix="waypost-tests-"))
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
