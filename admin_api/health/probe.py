"""Asks something in a thread of its own, so that nobody waits for it longer than a second, and keeps the answer."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from threading import Lock
from time import monotonic
from typing import Generic, TypeVar

FRESH_S = 2.0
WAIT_S = 1.0
_log = logging.getLogger(__name__)
T = TypeVar("T")


class Probe(Generic[T]):
    """What `ask` answers, at most `fresh_s` old. One question at a time, whoever wants to know.

    An `ask` that raises, or that does not answer within `wait_s`, makes None: nothing is known.
    """

    def __init__(self, name: str, ask: Callable[[], T], *, fresh_s: float = FRESH_S, wait_s: float = WAIT_S) -> None:
        self._name = name
        self._ask = ask
        self._fresh_s = fresh_s
        self._wait_s = wait_s
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"probe-{name}")
        self._lock = Lock()
        self._answer: T | None = None
        self._answered_at = float("-inf")
        self._running: Future[T | None] | None = None
        self._failure = ""

    def read(self) -> T | None:
        """Return the answer, or None if there is none now."""
        with self._lock:
            if monotonic() - self._answered_at < self._fresh_s:
                return self._answer
            if self._running is None or self._running.done():
                self._running = self._thread.submit(self._run)
            running = self._running
        try:
            return running.result(self._wait_s)
        except FutureTimeoutError:
            return None

    def _run(self) -> T | None:
        try:
            answer = self._ask()
            failure = ""
        except Exception as error:  # noqa: BLE001 - the boundary: whatever fails makes the part unknown
            answer, failure = None, str(error).partition("\n")[0] or repr(error)
        if failure and failure != self._failure:
            _log.warning("health: %s is not known: %s", self._name, failure)
        with self._lock:
            self._failure = failure
            self._answer, self._answered_at = answer, monotonic()
        return answer
