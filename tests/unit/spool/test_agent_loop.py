"""The agent's loops: Redis away is waited out, and no failure ends one half while the other lives on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from threading import Event

import pytest
from redis import ConnectionError as RedisConnectionError

from edge import agent


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "_PAUSE_S", 0.001)


def failing_with(errors: list[Exception], stopping: Event) -> Callable[[], None]:
    """Return a step that raises each error once, then succeeds and stops the loop."""
    left: Iterator[Exception] = iter(errors)

    def step() -> None:
        error = next(left, None)
        if error is not None:
            raise error
        stopping.set()

    return step


def test_a_loop_outlives_a_full_disk_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    stopping = Event()
    agent._loop("shipper", failing_with([OSError("No space left on device")], stopping), stopping)
    assert "No space left on device" in caplog.text


def test_redis_away_is_said_once_and_the_spool_is_still_scanned(caplog: pytest.LogCaptureFixture) -> None:
    stopping = Event()
    scans = []
    errors: list[Exception] = [RedisConnectionError("refused")] * 3
    with caplog.at_level(logging.WARNING):
        agent._loop("shipper", failing_with(errors, stopping), stopping, while_away=lambda: scans.append(1))
    assert caplog.text.count("Redis is away") == 1
    assert caplog.text.count("Redis is back") == 1
    assert len(scans) == 3


def test_a_scan_that_fails_while_redis_is_away_does_not_end_the_loop(caplog: pytest.LogCaptureFixture) -> None:
    stopping = Event()
    failures = iter([OSError("broken disk")])

    def scan() -> None:
        error = next(failures, None)
        if error is not None:
            raise error

    agent._loop("shipper", failing_with([RedisConnectionError("refused")], stopping), stopping, while_away=scan)
    assert "broken disk" in caplog.text


def test_a_failure_that_lasts_is_logged_when_it_begins_changes_and_ends(caplog: pytest.LogCaptureFixture) -> None:
    stopping = Event()
    errors: list[Exception] = [*[OSError("disk full")] * 50, *[OSError("no such file")] * 50]
    agent._loop("follower", failing_with(errors, stopping), stopping)
    assert caplog.text.count("failed, trying again") == 2
    assert caplog.text.count("works again") == 1
