"""What the tests of the admin API start from: a client of the app, and its database and Redis seen directly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from redis import Redis

from admin_api.runtime import Database, connect_redis
from admin_client import AdminClient, admin_client, connect


@pytest.fixture
def admin(database_url: str, redis_url: str) -> Iterator[AdminClient]:
    """Yield a client of the admin app on this test's servers."""
    with admin_client(database_url, redis_url) as client:
        yield client


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Yield a connection to this test's database."""
    with closing(connect(database_url)) as connection:
        yield connection


@pytest.fixture(scope="module")
def module_database(module_database_url: str) -> Iterator[Database]:
    """Yield a connection to the database that the tests of a module share."""
    with closing(connect(module_database_url)) as connection:
        yield connection


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    """Yield a client of this test's Redis."""
    with closing(connect_redis(redis_url)) as client:
        yield client
