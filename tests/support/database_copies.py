"""A database for each test: copied from one that was migrated once, and dropped afterwards."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg

from admin_api.migrate import migrate
from config.database import migration_files


class DatabaseCopies:
    """Makes and drops databases of a server over one connection, which stays open."""

    def __init__(self, server_url: str, connection: psycopg.Connection) -> None:
        self._server_url = server_url
        self._connection = connection
        self.template = f"waypost_template_{secrets.token_hex(4)}"

    def make_template(self) -> None:
        """Make the database that all others are copies of."""
        self._connection.execute(f"create database {self.template}")
        with psycopg.connect(self._url(self.template), autocommit=True) as connection:
            migrate(connection, migration_files())

    def make(self) -> str:
        """Return the URL of a new, migrated database."""
        name = f"waypost_test_{secrets.token_hex(6)}"
        # Copied as files, not through the write-ahead log: many times as fast where nothing is synced.
        self._connection.execute(f"create database {name} template {self.template} strategy file_copy")
        return self._url(name)

    def drop(self, url: str) -> None:
        """Drop a database, whoever is connected to it."""
        self._connection.execute(f"drop database {urlsplit(url).path[1:]} with (force)")

    def drop_template(self) -> None:
        """Leave nothing behind."""
        self._connection.execute(f"drop database if exists {self.template} with (force)")

    def _url(self, name: str) -> str:
        return urlsplit(self._server_url)._replace(path=f"/{name}").geturl()


@contextmanager
def copies_on(server_url: str) -> Iterator[DatabaseCopies]:
    """Yield what makes databases on a server."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        copies = DatabaseCopies(server_url, connection)
        try:
            copies.make_template()
            yield copies
        finally:
            copies.drop_template()
