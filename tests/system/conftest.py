"""One stack for all system tests, with profiles and a merchant; each test makes its own links."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from running_stack import Stack, running_stack, unique
from world import World


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    # Partners of these tests listen on loopback, which is refused otherwise.
    with running_stack(OUTGOING_ALLOWED_NETWORKS="127.0.0.0/8") as stack:
        yield stack


@pytest.fixture(scope="session")
def world(stack: Stack) -> World:
    profiles = {
        kind: stack.create(
            "/v1/profiles", {"name": f"Test {kind}", "domain": f"{unique('t')}.localhost", "redirect_type": kind}
        )
        for kind in ("301", "302", "js")
    }
    merchant = stack.create("/v1/merchants", {"name": "Test merchant", "postback_auth": "token"})
    return World(stack, profiles, merchant)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Add the end of the stack's log to the report of a failed test."""
    report = yield
    used = getattr(item, "funcargs", {})
    if report.failed and "stack" in used:
        report.sections.append(("the stack printed last", "\n".join(used["stack"].log.splitlines()[-40:])))
    return report
