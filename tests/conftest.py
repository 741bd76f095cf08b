"""What tests get to run against: a real PostgreSQL and a real Valkey, embedded, or those of DATABASE_URL and REDIS_URL.

`postgres_server` and `redis_server` last for the session and are started when the first test asks; `database_url` and
`redis_url` are a migrated database and an empty Redis for one test. With DATABASE_URL set, databases of our own with
unique names are made there and dropped; with REDIS_URL set, its database number must be empty, and is emptied after.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from redis import Redis

from config.settings import embedded_settings
from database_copies import DatabaseCopies, copies_on
from distribution import DurationRecorder, is_worker, keep_to_one_process, longest_first, notice
from embedded_servers import running_postgres, running_valkey, server_home
from quiet import QUIET, QuietPlaces

# A slow machine fails no property: neither for the time of one example, nor for that of making examples.
hypothesis.settings.register_profile(
    "without-times", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("without-times")


# What this process seals must not make a key in the checkout. Programs that tests start have the key of their home.
os.environ["SECRETS_KEYS"] = "5e" * 32


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our own option."""
    group = parser.getgroup("waypost")
    group.addoption("--record-durations", action="store_true", help="Write to tests/durations.txt what modules take.")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Decide about worker processes before pytest-xdist does."""
    keep_to_one_process(config)


def pytest_configure(config: pytest.Config) -> None:
    """Record durations in the process that hears of all tests; share the machine in those that run them."""
    config.addinivalue_line("markers", f"{QUIET}: compares times, so no other test of this run may run beside it")
    if is_worker(config):
        config.pluginmanager.register(QuietPlaces(config.workerinput["testrunuid"]))  # type: ignore[attr-defined]
    elif config.option.record_durations:
        config.pluginmanager.register(DurationRecorder())


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say at the start what is unusual about this run."""
    return notice(config)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the longest modules where several processes share them."""
    if is_worker(config):
        longest_first(items)


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
    """Yield the URL of a Redis database that these tests have to themselves, and empty."""
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
def database_copies(postgres_server: str) -> Iterator[DatabaseCopies]:
    """Yield what makes a migrated database for each test."""
    with copies_on(postgres_server) as copies:
        yield copies


@pytest.fixture
def database_url(database_copies: DatabaseCopies) -> Iterator[str]:
    """Yield the URL of a fresh, migrated database."""
    url = database_copies.make()
    yield url
    database_copies.drop(url)


@pytest.fixture(scope="module")
def module_database_url(database_copies: DatabaseCopies) -> Iterator[str]:
    """Yield the URL of a migrated database that the tests of a module share, since filling it takes long."""
    url = database_copies.make()
    yield url
    database_copies.drop(url)


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
