"""The spool's writing side: one append-only stream of one edge process, on disk before the visitor has the answer.

It never raises on a full or failing disk: the caller goes on redirecting and the record is counted as declared lost. A
crash leaves at most a torn last record, which `_recover` cuts off when the next process takes the spool; a segment that
is bad in the middle is moved aside by the agent, never deleted.
"""

from __future__ import annotations

import errno
import logging
import mmap
import os
from collections import deque
from pathlib import Path
from time import monotonic, time_ns
from zlib import crc32

from edge.spool import segments
from edge.spool.counters import CounterFile
from edge.spool.segments import FRAME, FRAME_BYTES, HEADER_BYTES, PAYLOAD_BYTES_MAX, SegmentError
from edge.spool.spool_counts import COUNTERS_NAME, DECLARED_LOST, END_OFFSET, ISSUED, NUMBERS, SEGMENT

_log = logging.getLogger(__name__)
# For so long after a record that the disk did not take the writer counts as failing.
_FAILING_S = 3.0
# A failing disk fails every click; it is logged this often at most.
_LOG_INTERVAL_S = 1.0


class SpoolWriter:
    """Appends records to one spool. Not thread-safe but for `sync`: the caller holds its append lock."""

    def __init__(self, directory: Path, segment_bytes: int) -> None:
        self.directory = directory
        self._segment_bytes = segment_bytes
        self._counters = CounterFile(directory / COUNTERS_NAME, writable=True)
        self._words = self._counters.words
        # Closed segments that are not synced yet. A deque, since one thread appends while another takes out.
        self._retired: deque[int] = deque()
        self._descriptor = -1
        self._end = HEADER_BYTES
        self.full = False
        self._failed_at = self._logged_at = -_FAILING_S
        sequence, number = self._recover()
        # A kill between a write and its count leaves the counters one behind the files. After a power cut it is the
        # files that may be behind: the numbers between are never used again, so the agent finds the gap and declares
        # it lost.
        self._number = max(number, self._words[NUMBERS])
        self._words[NUMBERS] = self._number
        self._words[ISSUED] = self._number + self._words[DECLARED_LOST]
        self._dirty = False
        self._directory_dirty = False
        self._open_segment(sequence + 1)

    def append(self, payload: bytes) -> bool:
        """Write one record with one write(2). Return whether it is on its way to disk; if not it is counted as lost."""
        size = len(payload)
        frame = FRAME.pack(size, crc32(payload, size)) + payload
        written = -1
        # SECURITY: a larger record could not be read back, and neither could any after it until the segment is closed.
        if not self.full and self._descriptor >= 0 and size <= PAYLOAD_BYTES_MAX:
            try:
                written = os.write(self._descriptor, frame)
            except OSError as error:
                self._note_failure(f"write failed: {error}")
        if written != FRAME_BYTES + size:
            self._declare_lost(written)
            return False
        self._number = number = self._number + 1
        self._end = end = self._end + FRAME_BYTES + size
        self._dirty = True
        words = self._words
        words[END_OFFSET] = end
        words[NUMBERS] = number
        words[ISSUED] += 1
        if end >= self._segment_bytes:
            self._rotate()
        return True

    def sync(self) -> None:
        """Make all that was appended before this call survive a power cut. May run beside `append`."""
        self._dirty = False
        # In this order: an append beside this may rotate, and what it retires then is synced here or is `current`.
        current = self._descriptor
        synced = []
        while self._retired:
            descriptor = self._retired.popleft()
            try:
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
            synced.append(descriptor)
        if current >= 0 and current not in synced:
            os.fdatasync(current)
        if self._directory_dirty:
            self._directory_dirty = False
            segments.sync_directory(self.directory)

    @property
    def dirty(self) -> bool:
        """Whether something was appended since the last sync."""
        return self._dirty or bool(self._retired)

    @property
    def is_healthy(self) -> bool:
        """Whether it takes records: there is room, a segment is open, and the disk has refused nothing of late."""
        return not self.full and self._descriptor >= 0 and monotonic() - self._failed_at >= _FAILING_S

    def reopen_after_failure(self) -> None:
        """Begin a new segment if the last attempt to do so failed; called by the background thread under the append
        lock.
        """
        if self._descriptor < 0:
            self._open_segment(self._sequence)

    def end_segment(self) -> None:
        """Begin a new segment if this one holds anything, so that the agent can free it; under the append lock."""
        if self._descriptor >= 0 and self._end > HEADER_BYTES:
            self._rotate()

    def close(self) -> None:
        """Sync and release everything."""
        self.sync()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self._counters.close()

    def _declare_lost(self, written: int) -> None:
        """Count a record as declared lost, of which `written` bytes are on disk; -1 where none was written."""
        self._words[DECLARED_LOST] += 1
        self._words[ISSUED] += 1
        if written < 0:
            return
        # A short write means that the disk filled up in the middle of a record: cut the piece off again.
        self._note_failure("disk full")
        try:
            os.ftruncate(self._descriptor, self._end)
        except OSError as error:
            # The piece stays at the end of this segment, so that what follows needs another one.
            self._note_failure(f"cannot cut off a torn record: {error}")
            self._rotate()

    def _note_failure(self, what: str) -> None:
        self._failed_at = now = monotonic()
        if now - self._logged_at >= _LOG_INTERVAL_S:
            self._logged_at = now
            _log.error("spool %s: %s", self.directory.name, what)

    def _rotate(self) -> None:
        # The old file is synced and closed by the background thread, so that no visitor waits for the disk.
        self._retired.append(self._descriptor)
        self._descriptor = -1
        self._open_segment(self._sequence + 1)

    def _open_segment(self, sequence: int) -> None:
        path = segments.segment_path(self.directory, sequence)
        self._sequence = sequence
        self._descriptor = -1
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
            try:
                header = segments.encode_header(self._number, time_ns() // 1_000_000)
                if os.write(descriptor, header) != HEADER_BYTES:
                    raise OSError(errno.ENOSPC, "disk full")
            except OSError:
                os.close(descriptor)
                raise
        except OSError as error:
            self._note_failure(f"cannot begin a segment: {error}")
            return
        self._descriptor = descriptor
        self._directory_dirty = True
        self._end = HEADER_BYTES
        self._words[SEGMENT] = sequence
        self._words[END_OFFSET] = HEADER_BYTES

    def _recover(self) -> tuple[int, int]:
        """Return the newest segment's sequence number and the number of the next record, mending its torn tail."""
        sequence = -1
        for path in reversed(segments.segment_paths(self.directory)):
            sequence = max(sequence, int(path.stem))
            try:
                return sequence, repair(path)
            except SegmentError as error:
                # A header torn by a power cut: nothing was answered from this segment, or the agent will set it aside.
                _log.error("spool %s: %s: %s", self.directory.name, path.name, error)
                if path.stat().st_size <= HEADER_BYTES:
                    path.unlink()
        return sequence, 0


def repair(path: Path) -> int:
    """Cut a torn tail off a segment that no process is writing; return the number after its last record.

    A segment that is bad in the middle is left whole: its number range is taken from the bytes beyond the damage.
    """
    with path.open("r+b") as file:
        size = os.fstat(file.fileno()).st_size
        first = segments.decode_header(file.read(HEADER_BYTES))
        with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as data:
            damage = segments.scan_segment(data, size)
        if damage.torn and not damage.later:
            file.truncate(damage.good_end)
            os.fsync(file.fileno())
            _log.warning("spool %s: cut %d torn bytes off %s", path.parent.name, size - damage.good_end, path.name)
        return first + damage.frames + len(damage.later)
