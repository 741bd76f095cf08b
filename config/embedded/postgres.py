"""The embedded PostgreSQL: makes its cluster, builds its command line, and checks readiness. Others start it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from config.embedded.binaries import EmbeddedError
from config.embedded.owner import Owner, pick_owner
from config.embedded.placement import make_base, reachable_programs

ROLE = "waypost"
DATABASE = "waypost"
# A fast shutdown ends the sessions and flushes everything that was committed.
STOP_SIGNAL = signal.SIGINT


@dataclass(frozen=True, slots=True)
class EmbeddedPostgres:
    """One cluster on 127.0.0.1. `options` are further server settings."""

    base: Path
    programs: Path
    owner: Owner
    port: int
    password: str
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        """The cluster's directory."""
        return self.base / "data"

    def url(self, database: str = DATABASE) -> str:
        """Return the URL of one of its databases."""
        return f"postgresql://{ROLE}:{self.password}@127.0.0.1:{self.port}/{database}"

    def prepare(self) -> None:
        """Make the cluster if it is missing. A draft is renamed, so an interrupted initdb leaves no half of one."""
        if self.data.exists():
            self._check_data()
            return
        draft = self.base / "data.draft"
        password_file = self.base / "password.draft"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        password_file.unlink(missing_ok=True)
        password_file.touch(mode=0o600)
        password_file.write_text(self.password)
        self.owner.take(draft)
        self.owner.take(password_file)
        try:
            self._initdb(draft, password_file)
        finally:
            password_file.unlink()
        draft.rename(self.data)

    def command(self) -> list[str]:
        """Return the command line; it holds no secret."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "timezone": "UTC",
            "log_timezone": "UTC",
            # Errors are not logged here: clients get them, and the terminal shows them in the programs' own lines.
            "log_min_messages": "fatal",
            # PERF: at 20 MB of log a second, the defaults (128 MB, 1 GB) would flush every page once a minute, and the
            # next change of each page would write it whole again.
            "shared_buffers": "256MB",
            "max_wal_size": "4GB",
            "checkpoint_timeout": "15min",
            "wal_compression": "on",
            # A query that names no time locks each month's partition with its indexes: 12 locks of postbacks a month.
            "max_locks_per_transaction": "256",
            **self.options,
        }
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self.programs / "postgres"), "-D", str(self.data), *flags]

    def is_ready(self, pid: int) -> bool:
        """Say whether the server that runs as `pid` takes connections: it writes its state into its own lock file."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"

    def ensure_database(self) -> None:
        """Make the database in a running server if it is missing."""
        with psycopg.connect(self.url("postgres"), autocommit=True, connect_timeout=10) as connection:
            if not connection.execute("select 1 from pg_database where datname = %s", [DATABASE]).fetchone():
                connection.execute(f"create database {DATABASE}")

    def _initdb(self, data: Path, password_file: Path) -> None:
        command = [
            *(str(self.programs / "initdb"), "-D", str(data), "--pwfile", str(password_file)),
            *(
                "--username",
                ROLE,
                "--auth",
                "scram-sha-256",
                "--encoding",
                "UTF8",
                "--locale",
                "C",
                "--no-instructions",
            ),
        ]
        if self.options.get("fsync") == "off":
            command.append("--no-sync")
        made = subprocess.run(
            command,
            cwd=data,
            capture_output=True,
            text=True,
            errors="replace",
            start_new_session=True,
            **self.owner.switch,
        )
        if made.returncode != 0:
            last = (made.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise EmbeddedError(
                f"initdb of the embedded PostgreSQL failed ({last}); set DATABASE_URL to use another server"
            )

    def _check_data(self) -> None:
        if self.data.stat().st_uid != self.owner.uid:
            raise EmbeddedError(
                f"{self.data} belongs to user {self.data.stat().st_uid}, PostgreSQL would run as {self.owner.name}: "
                "start as the first (as root, set EMBEDDED_USER to it) or set another WAYPOST_HOME",
                field="EMBEDDED_USER",
            )
        made_by = (self.data / "PG_VERSION").read_text().strip()
        answer = subprocess.run(
            [self.programs / "postgres", "--version"], cwd="/", capture_output=True, text=True, **self.owner.switch
        )
        ours = answer.stdout.split()[-1].split(".")[0] if answer.stdout else "unknown"
        if made_by != ours:
            raise EmbeddedError(
                f"{self.data} was made by PostgreSQL {made_by} and the embedded one is {ours}; move the data over with "
                "pg_dump, or set DATABASE_URL or another WAYPOST_HOME",
                field="WAYPOST_HOME",
            )


def embedded_postgres(
    home: Path, user: str, port: int, password: str, options: Mapping[str, str] | None = None
) -> EmbeddedPostgres:
    """Prepare the places of the embedded PostgreSQL of `home`, or raise EmbeddedError. This starts nothing."""
    owner = pick_owner(user, home / "postgres" / "data")
    base = make_base(home, owner)
    return EmbeddedPostgres(base, reachable_programs(base, owner), owner, port, password, options or {})


def lies_elsewhere(postgres: EmbeddedPostgres, home: Path) -> bool:
    """Say whether the data had to be placed outside of `home`."""
    return os.path.commonpath([postgres.base, home.resolve()]) != str(home.resolve())
