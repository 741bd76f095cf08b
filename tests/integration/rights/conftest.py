"""Two sources in a database that all tests of a module share, since reading is most of what they do."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest

from two_sources import TwoSources, two_sources


@pytest.fixture(scope="module")
def world(postgres_server: str, template_database: str, redis_server: str) -> Iterator[TwoSources]:
    """Yield the two sources."""
    name = f"waypost_rights_{secrets.token_hex(4)}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"create database {name} template {template_database} strategy file_copy")
    try:
        with two_sources(urlsplit(postgres_server)._replace(path=f"/{name}").geturl(), redis_server) as made:
            yield made
    finally:
        with psycopg.connect(postgres_server, autocommit=True) as connection:
            connection.execute(f"drop database {name} with (force)")
