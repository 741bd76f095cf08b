"""Two sources in a database that all tests of a module share, since reading is most of what they do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from two_sources import TwoSources, two_sources


@pytest.fixture(scope="module")
def world(module_database_url: str, redis_server: str) -> Iterator[TwoSources]:
    """Yield the two sources."""
    with two_sources(module_database_url, redis_server) as made:
        yield made
