"""What tests get to run against: a real PostgreSQL and a real Valkey, embedded, or those of DATABASE_URL and REDIS_URL.

`postgres_server` and `redis_server` last for the session and are started when the first test asks; `database_url` and
`redis_url` are a migrated database and an empty Redis for one test. With DATABASE_URL set, databases of our own with
unique names are made there and dropped; with REDIS_URL set, its database number must be empty, and is emptied after.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from redis import Redis

from admin_api.migrate import migrate
from config.database import migration_files
from config.settings import embedded_settings
from embedded_servers import running_postgres, running_valkey, server_home


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Yield the URL of a maintenance database, with the right to create databases."""
    given = embedded_settings().database_url
    if given:
        yield given
        return
    with server_home() as home, running_postgres(home) as server:
        yield server.url("postgres")


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """Yield the URL of a Redis that these tests have to themselves, FLUSHALL included if it is the embedded one."""
    given = embedded_settings().redis_url
    if given:
        with Redis.from_url(given) as client:
            if client.dbsize():
                pytest.exit(
                    "REDIS_URL names a database that is not empty; tests flush it, so name an empty one", returncode=4
                )
        yield given
        return
    with server_home() as home, running_valkey(home) as server:
        yield server.url()


@pytest.fixture(scope="session")
def template_database(postgres_server: str) -> Iterator[str]:
    """Yield the name of a migrated database, from which each test's is copied."""
    name = f"waypost_template_{secrets.token_hex(4)}"
    _execute(postgres_server, f"create database {name}")
    try:
        _migrate(_with_database(postgres_server, name))
        yield name
    finally:
        _execute(postgres_server, f"drop database {name} with (force)")


@pytest.fixture
def database_url(postgres_server: str, template_database: str) -> Iterator[str]:
    """Yield the URL of a fresh, migrated database."""
    name = f"waypost_test_{secrets.token_hex(6)}"
    # Copied as files, not through the write-ahead log: three times as fast where nothing is synced.
    _execute(postgres_server, f"create database {name} template {template_database} strategy file_copy")
    yield _with_database(postgres_server, name)
    _execute(postgres_server, f"drop database {name} with (force)")


@pytest.fixture
def redis_url(redis_server: str) -> Iterator[str]:
    """Yield the URL of an empty Redis database."""
    with Redis.from_url(redis_server) as client:
        client.flushdb()
        yield redis_server
        client.flushdb()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a directory to use as WAYPOST_HOME; it does not exist yet."""
    return tmp_path / "home"


def _execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


def _with_database(url: str, name: str) -> str:
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def _migrate(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        migrate(connection, migration_files())
