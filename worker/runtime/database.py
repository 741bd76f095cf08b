"""The one PostgreSQL connection of a worker process: waits for the server, repeats transactions and never hangs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Event
from time import monotonic
from typing import Any, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from worker.runtime.errors import RetryableError, StaleError
from worker.runtime.logs import log

T = TypeVar("T")
Connection = psycopg.Connection[Any]

# Below the 120 s that agents give a job, so that a task ends by itself and RQ's alarm never interrupts a transaction.
RUN_DEADLINE_S = 90.0
_WAIT_FIRST_S = 0.05
_WAIT_MAX_S = 1.0
_OPTIONS = " ".join(
    f"-c {option}"
    for option in (
        "application_name=waypost-worker",
        "timezone=UTC",
        "statement_timeout=60s",
        "lock_timeout=30s",
        "idle_in_transaction_session_timeout=60s",
    )
)
# psycopg makes sqlstate class 54 (limit exceeded) an OperationalError, but a record causes it: a retry cannot help.
_LIMIT_CLASS = "54"


class Database:
    """Hands out a connection in autocommit mode; transactions are begun with `connection.transaction()`."""

    def __init__(self, url: str, stop: Event, deadline_s: float = RUN_DEADLINE_S) -> None:
        self._url = url
        self._stop = stop
        self._deadline_s = deadline_s
        self._connection: Connection | None = None

    def run(self, work: Callable[[Connection], T]) -> T:
        """Return work(connection); run it again if it loses its connection or transaction by no fault of its own.

        Raises RetryableError when the deadline passes or the process is to stop. `work` may find that its earlier
        run was committed: when a connection is lost in COMMIT, nobody knows.
        """
        deadline = monotonic() + self._deadline_s
        attempt = 0
        while True:
            connection = self.wait(deadline)
            try:
                return work(connection)
            except (psycopg.OperationalError, psycopg.InterfaceError, StaleError) as error:
                if not is_transient(error):
                    raise
                attempt += 1
                log("again", logging.WARNING, attempt=attempt, error=error)
                pause_s = min(_WAIT_FIRST_S * 2**attempt, _WAIT_MAX_S)
                if self._stop.wait(pause_s) or monotonic() + pause_s > deadline:
                    raise RetryableError(f"PostgreSQL could not do it in time: {error}") from error
            finally:
                # The next job cannot use a connection in the middle of a transaction, whatever interrupted the work.
                if connection.closed or connection.info.transaction_status is not TransactionStatus.IDLE:
                    self.close()

    def wait(self, deadline: float | None = None) -> Connection:
        """Return a usable connection; wait until `deadline` (monotonic seconds), or without limit for None."""
        if self._connection is not None and not self._connection.closed:
            return self._connection
        pause_s = _WAIT_FIRST_S
        while True:
            try:
                self._connection = psycopg.connect(
                    self._url,
                    autocommit=True,
                    connect_timeout=5,
                    options=_OPTIONS,
                    keepalives_idle=10,
                    keepalives_interval=5,
                    keepalives_count=3,
                    tcp_user_timeout=20_000,
                )
                return self._connection
            except psycopg.OperationalError as error:
                log("postgresql-away", logging.WARNING, error=error)
                if self._stop.wait(pause_s) or (deadline is not None and monotonic() > deadline):
                    raise RetryableError(f"PostgreSQL is away: {error}") from error
                pause_s = min(pause_s * 2, _WAIT_MAX_S)

    def check(self) -> None:
        """Wait until the server answers a query. Raises RetryableError only when the process is to stop."""
        while True:
            connection = self.wait()
            try:
                connection.execute("select 1")
                return
            except (psycopg.OperationalError, psycopg.InterfaceError):
                self.close()

    def close(self) -> None:
        """Close the connection; the next use makes a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def is_transient(error: Exception) -> bool:
    """Whether the same statement may succeed later.

    That is so after a lost connection, a shutdown, a deadlock, a lock timeout or a lack of resources.
    """
    if isinstance(error, psycopg.OperationalError):
        return error.sqlstate is None or not error.sqlstate.startswith(_LIMIT_CLASS)
    return isinstance(error, psycopg.InterfaceError | StaleError)
