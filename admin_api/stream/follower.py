"""The one thread of the process that reads what is new from PostgreSQL, and watches that viewers keep their rights."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeoutError
from functools import partial
from threading import Event, Thread
from time import monotonic

import psycopg
from psycopg_pool import PoolTimeout
from redis import Redis

from admin_api.runtime import Actor, Pool, UnreachableError
from admin_api.spool import load_ledger
from admin_api.stream.notes import load_position
from admin_api.stream.rounds import event_bytes, load_round
from admin_api.stream.selection import EventType
from admin_api.stream.viewers import Credential, Viewers

POLL_S = 0.5
METER_S = 5.0
RIGHTS_S = 15.0
_AWAY = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, UnreachableError)
_log = logging.getLogger(__name__)


class Follower:
    """Reads rounds and hands them to the viewers in the loop's thread. While PostgreSQL is away it waits for it."""

    def __init__(
        self, pool: Pool, redis: Redis, viewers: Viewers, identify: Callable[[Credential], Actor | None]
    ) -> None:
        self._pool = pool
        self._redis = redis
        self._viewers = viewers
        self._identify = identify
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="stream", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._meter_at = -METER_S
        self._meter: dict[str, object] = {}
        self._rights_at = monotonic()
        self.away = False
        self.took_s = 0.0

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to read, for viewers of this loop."""
        self._loop = loop
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        self._thread.join(timeout=15)

    def _run(self) -> None:
        while not self._stopping.is_set():
            began = monotonic()
            try:
                self._step()
                if self.away:
                    _log.warning("PostgreSQL is back")
                self.away = False
            except _AWAY as error:
                if not self.away:
                    _log.warning("PostgreSQL is away: %s", str(error).partition("\n")[0])
                self.away = True
            except Exception:  # noqa: BLE001 - the loop's boundary: what fails once must not end all streams
                _log.exception("a round failed")
            self.took_s = monotonic() - began
            self._stopping.wait(max(0.0, POLL_S - self.took_s))

    def _step(self) -> None:
        watched = self._viewers.all()
        with self._pool.connection() as database:
            if not watched or not self._viewers.position:
                position = load_position(database)
                self._call(lambda: self._viewers.skip_to(position))
                return
            done = load_round(database, self._viewers.position)
        for selection in {viewer.selection for viewer in watched}:
            done.bytes_for(selection)
        self._call(lambda: self._viewers.publish(done))
        if monotonic() - self._rights_at >= RIGHTS_S:
            self._check_rights()
        if monotonic() - self._meter_at >= METER_S:
            self._read_meter()

    def _check_rights(self) -> None:
        """End the streams of those whose token or session ended, or whose rights are others now."""
        self._rights_at = monotonic()
        known: dict[Credential, Actor | None] = {}
        for viewer in self._viewers.all():
            if viewer.credential not in known:
                known[viewer.credential] = self._identify(viewer.credential)
            now = known[viewer.credential]
            if now is None:
                self._call(partial(viewer.end, "signed-out"))
            elif (now.rights, now.source_id) != (viewer.actor.rights, viewer.actor.source_id):
                self._call(partial(viewer.end, "rights-changed"))

    def _read_meter(self) -> None:
        """Send the loss meter if somebody watches it and it has changed."""
        self._meter_at = monotonic()
        if not any(EventType.LOSS_METER in viewer.selection.types for viewer in self._viewers.all()):
            return
        with self._pool.connection() as database:
            ledger = load_ledger(database, self._redis, wait_s=0)
        figures = {name: value for name, value in ledger.items() if name != "as_of"}
        if figures != self._meter:
            self._meter = figures
            meter = event_bytes(EventType.LOSS_METER.value, ledger)
            self._call(lambda: self._viewers.show_meter(meter))

    def _call(self, step: Callable[[], object]) -> None:
        """Do a step in the loop's thread, and wait for it: the next round begins where this one left the viewers."""
        assert self._loop is not None

        async def steps() -> None:
            step()

        done = asyncio.run_coroutine_threadsafe(steps(), self._loop)
        while not self._stopping.is_set():
            try:
                done.result(timeout=0.5)
            except FutureTimeoutError:
                continue
            return
