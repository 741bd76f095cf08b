"""The thread that sends deliveries: claims those that are due, gives them to sender threads, and records how they end.

Only this thread talks to PostgreSQL, on a connection of its own; the senders only send. It looks for due deliveries
once a second, when a sender is done, and when it is woken, so it does not depend on Redis.
"""

from __future__ import annotations

import logging
import random
from collections import Counter
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic

from tracking.outgoing import AttemptError
from worker.outgoing.attempts import AttemptResult, ClaimedDelivery, attempt
from worker.outgoing.client import OutgoingClient
from worker.outgoing.partners import Partners
from worker.outgoing.table import claim, record
from worker.runtime import Connection, Database, Resources, RetryableError, Tally, log

LOOK_S = 1.0
# The least time between two rounds. A round is one transaction for all attempts that ended and all that begin.
ROUND_S = 0.02
# How long requests under way may take when the process is to stop; less than the process itself may take.
STOP_S = 5.0


class Dispatcher:
    """Sends the deliveries of one process. Only its thread may use `database`."""

    def __init__(self, used: Resources, database: Database, client: OutgoingClient) -> None:
        self._used = used
        self._database = database
        self._client = client
        self._slots = client.settings.concurrency
        self._limit = min(client.settings.partner_concurrency, self._slots)
        self._partners = Partners(self._slots, self._limit)
        self._to_send: SimpleQueue[ClaimedDelivery] = SimpleQueue()
        self._ended: SimpleQueue[AttemptResult] = SimpleQueue()
        self._unrecorded: list[AttemptResult] = []
        self._tally = Tally()
        self._thread = Thread(target=self._run, name="dispatcher", daemon=True)
        self._senders = [Thread(target=self._send, name=f"sender-{n}", daemon=True) for n in range(self._slots)]

    def start(self) -> None:
        """Start the threads, which work until the process is to stop."""
        for thread in (*self._senders, self._thread):
            thread.start()

    def join(self) -> None:
        """Wait until the attempts under way have ended, or have had their time."""
        self._thread.join(STOP_S + 1)

    def round(self) -> int:
        """Record the attempts that ended and begin those that are due; return how many began."""
        self._collect()
        ended, free_slots = self._unrecorded, self._partners.free_slots()
        free = 0 if self._used.stop.is_set() else self._slots - self._partners.under_way()
        # Drawn outside the transaction, so that a second run of it writes the same.
        chance = random.random()  # noqa: S311

        def work(connection: Connection) -> list[ClaimedDelivery]:
            with connection.transaction():
                record(connection, ended, chance)
                return claim(connection, free_slots, self._limit, free)

        began = self._database.run(work)
        self._unrecorded = []
        self._tally.add(began=len(began), **Counter(each.error or "delivered" for each in ended))
        self._tally.report()
        for each in began:
            self._partners.begin(each.origin)
            self._to_send.put(each)
        return len(began)

    def _run(self) -> None:
        while not self._used.stop.is_set():
            # Cleared before looking, so that a wake-up meanwhile makes it look again.
            self._used.wake.clear()
            try:
                self.round()
            except RetryableError as error:
                log("deliveries-wait", logging.WARNING, error=error)
            except Exception as error:  # noqa: BLE001 - the loop's boundary
                log("deliveries-failed", logging.ERROR, outcomes=len(self._unrecorded), error=repr(error))
                self._record_apart()
            self._used.stop.wait(ROUND_S)
            self._used.wake.wait(LOOK_S)
        deadline = monotonic() + STOP_S
        while self._partners.under_way() and monotonic() < deadline:
            self._used.wake.wait(ROUND_S)
            self._used.wake.clear()
            self._collect()
        try:
            self.round()
        except RetryableError as error:
            log("deliveries-wait", logging.WARNING, error=error)
        self._tally.report(force=True)
        self._database.close()

    def _record_apart(self) -> None:
        """Record outcomes one by one. One that cannot be written is lost alone, and its delivery is sent once more."""
        ended, self._unrecorded = self._unrecorded, []
        for each in ended:
            try:
                self._database.run(partial(_record_one, each))
            except RetryableError:
                self._unrecorded.append(each)
            except Exception as error:  # noqa: BLE001 - the loop's boundary
                log("outcome-lost", logging.ERROR, delivery=each.claimed.delivery_id, error=repr(error))

    def _collect(self) -> None:
        while True:
            try:
                ended = self._ended.get_nowait()
            except Empty:
                return
            self._partners.end(ended.claimed.origin, ended.duration_s, is_healthy=ended.is_healthy)
            self._unrecorded.append(ended)

    def _send(self) -> None:
        while True:
            claimed = self._to_send.get()
            began = monotonic()
            try:
                ended = attempt(claimed, self._client, self._used.now_s())
            except Exception as error:  # noqa: BLE001 - the loop's boundary
                log("attempt-failed", logging.ERROR, delivery=claimed.delivery_id, error=repr(error))
                kind = AttemptError.INTERNAL
                ended = AttemptResult(claimed, monotonic() - began, None, error=kind, detail=type(error).__name__)
            self._ended.put(ended)
            self._used.wake.set()


def _record_one(ended: AttemptResult, connection: Connection) -> None:
    with connection.transaction():
        record(connection, [ended], random.random())  # noqa: S311
