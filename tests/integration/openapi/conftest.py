"""One object of each kind, which the tests of a module share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from one_of_each import OneOfEach, one_of_each


@pytest.fixture(scope="module")
def each(module_database_url: str, redis_server: str) -> Iterator[OneOfEach]:
    """Yield the objects, in a database of the module."""
    with one_of_each(module_database_url, redis_server) as made:
        yield made
