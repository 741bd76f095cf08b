"""All that one edge process records: it mints click ids, appends to its two spools, and counts its answers."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, Thread
from time import time_ns

from config.geo import GeoEvent
from config.settings import EdgeSettings
from edge.http import GEO_INDEX, NEXT_HOP_INDEX, OUTCOME_INDEX, ROUTING_INDEX, Outcome
from edge.spool.counters import CounterFile
from edge.spool.slots import Slot, spool_directories
from edge.spool.writer import SpoolWriter
from tracking.clicks import ClickIdMint, NextHopResult
from tracking.routing import How

_log = logging.getLogger(__name__)
_DISK_CHECK_S = 1.0
# If the clock is set back by more than this, click ids follow it.
_AHEAD_MS_MAX = 5_000
# PERF: looking up an Outcome in a dictionary takes 0.3 microseconds, since its hash is computed in Python.
_REDIRECTED = OUTCOME_INDEX[Outcome.REDIRECTED]
_NOT_LOGGED = OUTCOME_INDEX[Outcome.NOT_LOGGED]
# With less free space than this the spool counts as full, so the page cache never holds more than the disk can take.
_FREE_BYTES_MIN = 4 << 20


class Recorder:
    """Mints ids and appends records for one process. `start` runs the thread that syncs clicks and watches the disk."""

    def __init__(self, settings: EdgeSettings, now_ns: Callable[[], int] = time_ns) -> None:
        self._settings = settings
        self._now_ns = now_ns
        self._slot = Slot(settings.spool_dir, settings.node_id)
        self._mint = ClickIdMint(settings.click_id_keys, self._slot.identity, now_ns)
        self._click_lock = Lock()
        self._postback_lock = Lock()
        self._sync_lock = Lock()
        # The number of postbacks appended; the last one that is safe from a power cut; the last one whose sync failed.
        self._appended = self._synced = self._unsafe = 0
        self._clicks = SpoolWriter(self._slot.spool_directory("clicks"), settings.spool_segment_bytes)
        self._postbacks = SpoolWriter(self._slot.spool_directory("postbacks"), settings.spool_segment_bytes)
        self._outcomes = CounterFile(self._slot.counters_path(), writable=True)
        self._answers = self._outcomes.words
        self._stopping = Event()
        self._thread = Thread(target=self._watch, name="spool-sync", daemon=True)

    def start(self) -> None:
        """Begin syncing in the background."""
        self._thread.start()

    def log_click(self, record: Callable[[str, int], bytes]) -> bool:
        """Append the payload that `record` returns for a new click id and its Unix milliseconds.

        Return False if the spool did not take it; it is then counted as declared lost. `record` is called under the
        append lock and must not wait for anything.
        """
        # PERF: a `with` block runs twice as many instructions as these two calls.
        self._click_lock.acquire()
        try:
            logged = self._clicks.append(record(*self._mint.mint()))
            self._answers[_REDIRECTED if logged else _NOT_LOGGED] += 1
        finally:
            self._click_lock.release()
        return logged

    def log_postback(self, payload: bytes) -> bool:
        """Append a postback, and return True when it is safe from a power cut, False if it may not be.

        PERF: all that is appended while the disk is busy becomes safe by one sync. With a sync for each, a disk that
        takes 5 ms for one could not keep up with 200 postbacks a second (`python -m loadtests.postbacks`).
        """
        with self._postback_lock:
            if not self._postbacks.append(payload):
                return False
            self._appended = number = self._appended + 1
        with self._sync_lock:
            if number <= self._unsafe:
                # After a failed sync the next one succeeds, but it does not write what the failed one could not.
                return False
            if number <= self._synced:
                return True
            reached = self._appended
            try:
                self._postbacks.sync()
            except OSError as error:
                _log.error("postback spool: sync failed: %s", error)
                self._unsafe = reached
                return False
            self._synced = reached
        return True

    def count(self, outcome: Outcome) -> None:
        """Count one answer. Two threads of one process may very rarely lose a count; nothing depends on it."""
        self._answers[OUTCOME_INDEX[outcome]] += 1

    def count_next_hop(self, result: NextHopResult) -> None:
        """Count what became of a next hop that a click named."""
        self._answers[NEXT_HOP_INDEX[result]] += 1

    def count_routing(self, how: How) -> None:
        """Count how the rules of a link found a destination, where that was unusual."""
        self._answers[ROUTING_INDEX[how]] += 1

    def count_geo(self, event: GeoEvent) -> None:
        """Count what happened to a database of addresses."""
        self._answers[GEO_INDEX[event]] += 1

    @property
    def slot_name(self) -> str:
        """The name of this process's slot, which no other living process of the host has."""
        identity = self._slot.identity
        return f"{identity.node}-{identity.slot}"

    def healthy(self) -> bool:
        """Whether the spool takes records now."""
        return self._clicks.is_healthy and self._postbacks.is_healthy

    def close(self) -> None:
        """Stop the thread, sync, and give the slot back."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self._clicks.close()
        self._postbacks.close()
        self._slot.release()

    def _watch(self) -> None:
        interval_s = self._settings.spool_fsync_ms / 1000
        since_check_s = _DISK_CHECK_S
        while not self._stopping.wait(interval_s):
            since_check_s += interval_s
            try:
                self._follow_clock()
                if self._clicks.dirty:
                    self._clicks.sync()
                if since_check_s >= _DISK_CHECK_S:
                    since_check_s = 0.0
                    self._check_disk((self._clicks, self._postbacks))
            except OSError as error:
                _log.error("spool: %s", error)

    def _follow_clock(self) -> None:
        """Let new ids have the present time again after the clock was set back far.

        A mint never goes back in time, so that no id is made twice. If the clock leaps ahead and is then set right, all
        clicks would get the time of the leap until it comes. Under another generation, the same times may be used
        again.
        """
        if self._mint.ahead_ms() > _AHEAD_MS_MAX:
            mint = ClickIdMint(self._settings.click_id_keys, self._slot.renew(), self._now_ns)
            with self._click_lock:
                self._mint = mint
            _log.warning("the clock was set back; click ids go on under generation %d", self._slot.identity.generation)

    def _check_disk(self, writers: Sequence[SpoolWriter]) -> None:
        settings = self._settings
        full = spool_bytes(settings.spool_dir) >= settings.spool_max_bytes
        free = os.statvfs(settings.spool_dir)
        full = full or free.f_bavail * free.f_frsize < _FREE_BYTES_MIN
        for writer, lock in zip(writers, (self._click_lock, self._postback_lock), strict=True):
            if full != writer.full:
                _log.warning("spool %s is %s", writer.directory.name, "full" if full else "taking records again")
            with lock:
                if full and not writer.full:
                    # The agent never deletes the newest segment, and the newest ones alone may fill SPOOL_MAX_BYTES.
                    writer.end_segment()
                writer.full = full
                writer.reopen_after_failure()


def spool_bytes(spool_dir: Path) -> int:
    """Return how many bytes of disk all spools under `spool_dir` take, the settled ones not counted."""
    total = 0
    for directory in spool_directories(spool_dir):
        # RACE: the agent may delete a segment or move a spool at any moment.
        with suppress(FileNotFoundError):
            for path in directory.glob("*.seg"):
                with suppress(FileNotFoundError):
                    total += path.stat().st_size
    return total
