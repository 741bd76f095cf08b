"""An installation with users, for the tests of people."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from people import People, people_of


@pytest.fixture
def people(database_url: str, redis_url: str) -> Iterator[People]:
    """Yield an installation on this test's servers."""
    with people_of(database_url, redis_url) as made:
        yield made
