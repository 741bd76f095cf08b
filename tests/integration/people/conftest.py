"""An installation with users, for the tests of people. They share one, and each test finds it without users."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from redis import Redis

from admin_api.runtime import acting_for_nobody
from database_copies import DatabaseCopies
from people import People, people_of


@pytest.fixture(scope="session")
def installation(database_copies: DatabaseCopies, redis_server: str) -> Iterator[People]:
    """Yield the installation: building the app for every test would take longer than the tests."""
    url = database_copies.make()
    with Redis.from_url(redis_server) as client:
        client.flushdb()
    with people_of(url, redis_server) as made:
        yield made
    database_copies.drop(url)


@pytest.fixture
def people(installation: People) -> People:
    """Return the installation, without users, and with its own token alone."""
    installation.clock.now = datetime.now(UTC)
    # The last request was made in this thread too.
    with acting_for_nobody(), installation.admin.collaborators.pool.connection() as database:
        database.execute("delete from users")
        database.execute("delete from login_failures")
        database.execute("delete from api_tokens where token_id > 1")
        database.execute("update api_tokens set revoked_at = null, expires_at = null, scopes = null")
    return installation


@pytest.fixture
def database_url(people: People) -> str:
    """Return the URL of the installation's database."""
    return people.database_url
