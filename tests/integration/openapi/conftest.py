"""Gives each generated test an id of its own: Schemathesis gives all of them one, and pytest-xdist would run only one."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Add the operation, which a generated test has in its name, to its id."""
    for item in items:
        operation = item.name.partition("[")[2].removesuffix("]")
        if operation and "[" not in item.nodeid:
            item._id = item.id.with_params(operation)
