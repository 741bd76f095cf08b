"""What one edge process writes: its click ids, its two spools and its outcome counts, behind two short locks."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, Thread
from time import time_ns

from config.settings import EdgeSettings
from edge.http import OUTCOME_INDEX, Outcome
from edge.spool.counters import CounterFile
from edge.spool.slots import Slot, spool_directories
from edge.spool.writer import SpoolWriter
from tracking.clicks import ClickIdMint

_log = logging.getLogger(__name__)
_DISK_CHECK_S = 1.0
# How far back the clock may be set before ids follow it.
_AHEAD_MS_MAX = 5_000
# PERF: looking an Outcome up costs 0.3 microseconds, for its hash is made in Python.
_REDIRECTED = OUTCOME_INDEX[Outcome.REDIRECTED]
_NOT_LOGGED = OUTCOME_INDEX[Outcome.NOT_LOGGED]
# Below this much free space the spool counts as full, so that the page cache never holds what the disk will refuse.
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
        # How many postbacks were appended; up to which one all survive a power cut, and up to which one they may not.
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
        """Append what `record` makes of a new click id and its Unix milliseconds.

        False means that the spool took nothing, and the loss is counted. `record` is called under the append lock and
        must not wait for anything.
        """
        # PERF: a `with` runs twice as many instructions as these two calls.
        self._click_lock.acquire()
        try:
            logged = self._clicks.append(record(*self._mint.mint()))
            self._answers[_REDIRECTED if logged else _NOT_LOGGED] += 1
        finally:
            self._click_lock.release()
        return logged

    def log_postback(self, payload: bytes) -> bool:
        """Append a postback and make it survive a power cut before returning True.

        PERF: what several threads append while the disk is busy becomes safe by one sync; with a sync each, 200 a
        second are more than a disk can take whose sync lasts 5 ms (`python -m loadtests.postbacks`).
        """
        with self._postback_lock:
            if not self._postbacks.append(payload):
                return False
            self._appended = number = self._appended + 1
        with self._sync_lock:
            if number <= self._unsafe:
                # A sync after one that failed succeeds without what that one had to write.
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
        """Count one answer. Two threads of one process may very rarely lose a count; no promise rests on it."""
        self._answers[OUTCOME_INDEX[outcome]] += 1

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
        """Let ids name the present again after the clock was set back far.

        A mint never goes back, so that no id comes twice: it holds the time it has reached, and after a leap ahead that
        was undone, all clicks would be of that moment until it comes. Another generation may use the same times again.
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
                    # The newest segment is never freed: all of these together may be what fills SPOOL_MAX_BYTES.
                    writer.end_segment()
                writer.full = full
                writer.reopen_after_failure()


def spool_bytes(spool_dir: Path) -> int:
    """Return how much disk all spools under `spool_dir` take."""
    total = 0
    for directory in spool_directories(spool_dir):
        # The agent frees segments, and moves whole spools, at any moment.
        with suppress(FileNotFoundError):
            for path in directory.glob("*.seg"):
                with suppress(FileNotFoundError):
                    total += path.stat().st_size
    return total
