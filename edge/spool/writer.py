"""The spool's writing side: one append-only stream of one edge process, on disk before the visitor has the answer.

It never raises on a full disk: the caller goes on redirecting and the record is counted as declared lost. A crash
leaves at most a torn last record, which `_recover` cuts off when the next process takes the spool; a segment that is
bad in the middle is moved aside by the agent, never deleted.
"""

from __future__ import annotations

import errno
import logging
import mmap
import os
from pathlib import Path
from time import time_ns
from zlib import crc32

from edge.spool import segments
from edge.spool.counters import CounterFile
from edge.spool.segments import FRAME, FRAME_BYTES, HEADER_BYTES, SegmentError

_log = logging.getLogger(__name__)

# Words of a spool's counter file. The agent reads them as one snapshot.
ISSUED, DECLARED_LOST, NUMBERS, SEGMENT, END_OFFSET = range(5)
WORDS = 5
COUNTERS_NAME = "counters"


class SpoolWriter:
    """Appends records to one spool. Not thread-safe but for `sync`: the caller holds its append lock."""

    def __init__(self, directory: Path, segment_bytes: int) -> None:
        self.directory = directory
        self._segment_bytes = segment_bytes
        self._counters = CounterFile(directory / COUNTERS_NAME, writable=True)
        self._words = self._counters.words
        self._retired: list[int] = []
        self._descriptor = -1
        self._end = HEADER_BYTES
        self.full = False
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
        if not self.full and self._descriptor >= 0:
            try:
                written = os.write(self._descriptor, frame)
            except OSError as error:
                _log.error("spool %s: write failed: %s", self.directory.name, error)
        if written != FRAME_BYTES + size:
            self._lose(written)
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
        retired, self._retired = self._retired, []
        for descriptor in retired:
            os.fdatasync(descriptor)
            os.close(descriptor)
        if current >= 0 and current not in retired:
            os.fdatasync(current)
        if self._directory_dirty:
            self._directory_dirty = False
            segments.sync_directory(self.directory)

    @property
    def dirty(self) -> bool:
        """Whether something was appended since the last sync."""
        return self._dirty or bool(self._retired)

    def reopen_after_failure(self) -> None:
        """Begin a new segment if the last attempt to do so failed; called by the background thread under the append
        lock.
        """
        if self._descriptor < 0:
            self._open_segment(self._sequence)

    def close(self) -> None:
        """Sync and release everything."""
        self.sync()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self._counters.close()

    def _lose(self, written: int) -> None:
        """Count a record as declared lost of which `written` bytes are on disk, or of which writing failed (-1)."""
        if written >= 0:
            # A short write means the disk filled up in the middle of a record: cut the piece off again.
            os.ftruncate(self._descriptor, self._end)
            _log.error("spool %s: disk full", self.directory.name)
        self._words[DECLARED_LOST] += 1
        self._words[ISSUED] += 1

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
            _log.error("spool %s: cannot begin a segment: %s", self.directory.name, error)
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
                return sequence, mend(path)
            except SegmentError as error:
                # A header torn by a power cut: nothing was answered from this segment, or the agent will set it aside.
                _log.error("spool %s: %s: %s", self.directory.name, path.name, error)
                if path.stat().st_size <= HEADER_BYTES:
                    path.unlink()
        return sequence, 0


def mend(path: Path) -> int:
    """Cut a torn tail off a segment that no process is writing; return the number after its last record.

    A segment that is bad in the middle is left whole: its number range is taken from the bytes beyond the damage.
    """
    with path.open("r+b") as file:
        size = os.fstat(file.fileno()).st_size
        first = segments.decode_header(file.read(HEADER_BYTES))
        with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as data:
            damage = segments.inspect(data, size)
        if damage.torn and not damage.later:
            file.truncate(damage.good_end)
            os.fsync(file.fileno())
            _log.warning("spool %s: cut %d torn bytes off %s", path.parent.name, size - damage.good_end, path.name)
        return first + damage.frames + len(damage.later)
