"""Waiting in tests: on a condition with a deadline, never for a length of time."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import cycle
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
    """Return a port of 127.0.0.1 that nobody listens on, and that no other process of this run of the tests is given.

    Ports that the kernel gives to outgoing connections are left alone: one of those could take it until it is used.
    """
    while True:
        port = next(_ports)
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


def _ports_of_this_process() -> Iterator[int]:
    """Yield the ports of this worker process of pytest-xdist, over and over, from anywhere among them."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 20_000 + worker % 8 * 1_500
    ports = list(range(first, first + 1_500))
    begin = secrets.randbelow(len(ports))
    return cycle(ports[begin:] + ports[:begin])


_ports = _ports_of_this_process()
