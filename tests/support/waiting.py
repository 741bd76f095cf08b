"""Waiting in tests: on a condition with a deadline, never for a length of time."""

from __future__ import annotations

import socket
from collections.abc import Callable
from time import monotonic, sleep
from typing import TypeVar

T = TypeVar("T")


def wait_until(predicate: Callable[[], T], timeout_s: float = 20, what: str = "the condition") -> T:
    """Return the first true value of `predicate`, or fail saying what was waited for."""
    deadline = monotonic() + timeout_s
    while True:
        if value := predicate():
            return value
        if monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s:g} s in vain for {what}")
        sleep(0.01)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
