"""The checks before anything is started. Each failure is one sentence that names the setting to change."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from collections.abc import Collection
from pathlib import Path
from typing import IO

import psycopg
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from config.settings import EmbeddedSettings, SettingError

_CONNECT_S = 5
_POSTGRES_AT_LEAST = 15_00_00
_REDIS_AT_LEAST = (6, 2)


def lock_home(home: Path) -> IO[str]:
    """Return the lock of a home, which holds while the file is open. Raises SettingError if it is locked already."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = (home / "up.lock").open("a")
    except OSError as error:
        raise SettingError(
            f"WAYPOST_HOME={home} cannot be used: {error.strerror}; set another", field="WAYPOST_HOME"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise SettingError(
            f"Waypost runs already with WAYPOST_HOME={home}; stop that one, or set WAYPOST_HOME to another directory",
            field="WAYPOST_HOME",
        ) from error
    return lock


def check_ports(settings: EmbeddedSettings, left_out: Collection[str] = ()) -> None:
    """Raise SettingError unless all ports that we will listen on are free and no two are the same.

    Programs that are left out may be listening already.
    """
    wanted = [("EDGE", settings.edge_host, settings.edge_port), ("ADMIN", settings.admin_host, settings.admin_port)]
    if settings.intake_port:
        wanted.append(("INTAKE", settings.edge_host, settings.intake_port))
    if settings.stream_port:
        wanted.append(("STREAM", settings.admin_host, settings.stream_port))
    if not settings.database_url:
        wanted.append(("EMBEDDED_POSTGRES", "127.0.0.1", settings.postgres_port))
    if not settings.redis_url:
        wanted.append(("EMBEDDED_VALKEY", "127.0.0.1", settings.valkey_port))
    problems = []
    seen: dict[int, str] = {}
    for name, host, port in wanted:
        if port in seen:
            problems.append(f"{name}_PORT and {seen[port]}_PORT are both {port}; set one of them to another port")
        elif name.lower() not in left_out and (problem := _port_problem(name, host, port)):
            problems.append(problem)
        seen[port] = name
    if problems:
        raise SettingError("\n".join(problems))


def check_database(url: str) -> None:
    """Raise SettingError unless DATABASE_URL names a PostgreSQL that can be used. The password is never shown."""
    try:
        with psycopg.connect(url, connect_timeout=_CONNECT_S) as connection:
            version = connection.info.server_version
    except psycopg.OperationalError as error:
        reason = (str(error).strip().splitlines() or ["no answer"])[0].rstrip(".")
        raise SettingError(f"DATABASE_URL cannot be reached: {reason}", field="DATABASE_URL") from error
    except psycopg.ProgrammingError as error:
        # The error's text repeats the value that could not be read.
        example = "postgresql://user:password@host:5432/database"
        raise SettingError(
            f"DATABASE_URL is not a PostgreSQL URL; write it like {example}", field="DATABASE_URL"
        ) from error
    if version < _POSTGRES_AT_LEAST:
        raise SettingError(
            f"DATABASE_URL names a PostgreSQL {version // 10_000}; set it to PostgreSQL 15 or newer",
            field="DATABASE_URL",
        )


def check_redis(url: str) -> None:
    """Raise SettingError unless REDIS_URL names a Redis or Valkey that can be used."""
    try:
        client = Redis.from_url(
            url, socket_connect_timeout=_CONNECT_S, socket_timeout=_CONNECT_S, retry=Retry(NoBackoff(), 0)
        )
        with client:
            version = str(client.info("server")["redis_version"])
    except RedisError as error:
        raise SettingError(f"REDIS_URL cannot be reached: {str(error).rstrip('.')}", field="REDIS_URL") from error
    except ValueError as error:
        raise SettingError(
            "REDIS_URL is not a Redis URL; write it like redis://:password@host:6379/0", field="REDIS_URL"
        ) from error
    if tuple(int(part) for part in version.split(".")[:2]) < _REDIS_AT_LEAST:
        raise SettingError(f"REDIS_URL names a Redis {version}; set it to Redis 6.2 or newer", field="REDIS_URL")


def _port_problem(name: str, host: str, port: int) -> str | None:
    host_setting = {"INTAKE": "EDGE_HOST", "STREAM": "ADMIN_HOST"}.get(name, f"{name}_HOST")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except socket.gaierror:
        return f"{host_setting}={host} is not an address of this machine; set it to one, such as 127.0.0.1"
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"port {port} of {host} is taken by another process; set {name}_PORT to a free one"
        if error.errno == errno.EACCES:
            return f"port {port} may not be opened by this user; set {name}_PORT to one above 1023"
        reason = os.strerror(error.errno or 0)
        return f"{host}:{port} cannot be listened on ({reason}); set {host_setting} or {name}_PORT"
    return None
