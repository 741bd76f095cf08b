"""A database with one object of each kind, which the tests of a module share."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest

from one_of_each import OneOfEach, one_of_each


@pytest.fixture(scope="module")
def each(postgres_server: str, template_database: str, redis_server: str) -> Iterator[OneOfEach]:
    name = f"waypost_each_{secrets.token_hex(4)}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"create database {name} template {template_database} strategy file_copy")
    try:
        with one_of_each(urlsplit(postgres_server)._replace(path=f"/{name}").geturl(), redis_server) as made:
            yield made
    finally:
        with psycopg.connect(postgres_server, autocommit=True) as connection:
            connection.execute(f"drop database {name} with (force)")
