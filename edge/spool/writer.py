"""The writing side of one spool: an edge process appends each record before it answers the request.

A full or failing disk raises nothing: the record is counted as declared lost, and the caller goes on redirecting. A
crash leaves at most a torn last record, which is cut off when the next process opens the spool. A segment that is
damaged in the middle stays as it is; the agent moves it to the quarantine.
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

from config.durability import sync_directory
from edge.spool import segments
from edge.spool.counters import CounterFile
from edge.spool.segments import FRAME, FRAME_BYTES, HEADER_BYTES, PAYLOAD_BYTES_MAX, SegmentError
from edge.spool.spool_counts import COUNTERS_NAME, DECLARED_LOST, END_OFFSET, ISSUED, NUMBERS, SEGMENT

_log = logging.getLogger(__name__)
# After the disk has refused a record, the writer counts as failing for so long.
_FAILING_S = 3.0
# A failing disk refuses every click; a line is logged at most so often.
_LOG_INTERVAL_S = 1.0


class SpoolWriter:
    """Appends records to one spool. The caller holds its append lock; only `sync` may run beside the other methods."""

    def __init__(self, directory: Path, segment_bytes: int) -> None:
        self.directory = directory
        self._segment_bytes = segment_bytes
        self._counters = CounterFile(directory / COUNTERS_NAME, writable=True)
        self._words = self._counters.words
        # Finished segments that are not synced yet. RACE: one thread appends to it while another takes from it.
        self._retired: deque[int] = deque()
        self._descriptor = -1
        self._end = HEADER_BYTES
        self.full = False
        self._failed_at = self._logged_at = -_FAILING_S
        sequence, number = self._recover()
        # After a kill between a write and its count, the counters are one behind the files. After a power cut, the
        # files may be behind. The numbers in between are not used again, so the agent finds the gap and declares it
        # lost.
        self._number = max(number, self._words[NUMBERS])
        self._words[NUMBERS] = self._number
        self._words[ISSUED] = self._number + self._words[DECLARED_LOST]
        self._dirty = False
        self._directory_dirty = False
        self._open_segment(sequence + 1)

    def append(self, payload: bytes) -> bool:
        """Write one record with one write(2). Return False if the disk did not take it; it is counted as lost then."""
        size = len(payload)
        frame = FRAME.pack(size, crc32(payload, size)) + payload
        written = -1
        # SECURITY: a larger record cannot be read back, nor can those after it until the segment is finished.
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
        """Make all that was appended before this call safe from a power cut. It may run beside `append`."""
        self._dirty = False
        # RACE: in this order. An append beside this may begin a new segment; the one before is then `current`, or it is
        # among the retired ones.
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
            sync_directory(self.directory)

    @property
    def dirty(self) -> bool:
        """Whether something was appended since the last sync."""
        return self._dirty or bool(self._retired)

    @property
    def is_healthy(self) -> bool:
        """Whether it takes records: it is not full, a segment is open, and the disk has not refused a record lately."""
        return not self.full and self._descriptor >= 0 and monotonic() - self._failed_at >= _FAILING_S

    def reopen_after_failure(self) -> None:
        """Begin a new segment if the last attempt to do so failed."""
        if self._descriptor < 0:
            self._open_segment(self._sequence)

    def end_segment(self) -> None:
        """Begin a new segment if the present one holds a record, so that the agent can delete it."""
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
        """Count a record as declared lost. `written` bytes of it are on disk, -1 if there was no write."""
        self._words[DECLARED_LOST] += 1
        self._words[ISSUED] += 1
        if written < 0:
            return
        # The disk became full in the middle of the record: cut off the part that was written.
        self._note_failure("disk full")
        try:
            os.ftruncate(self._descriptor, self._end)
        except OSError as error:
            # The part stays at the end of this segment, so the next record goes into a new one.
            self._note_failure(f"cannot cut off a torn record: {error}")
            self._rotate()

    def _note_failure(self, what: str) -> None:
        self._failed_at = now = monotonic()
        if now - self._logged_at >= _LOG_INTERVAL_S:
            self._logged_at = now
            _log.error("spool %s: %s", self.directory.name, what)

    def _rotate(self) -> None:
        # The background thread syncs and closes the old file, so that no visitor waits for the disk.
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
        """Repair the newest segment. Return its sequence number and the number of the next record."""
        sequence = -1
        for path in reversed(segments.segment_paths(self.directory)):
            sequence = max(sequence, int(path.stem))
            try:
                return sequence, repair(path)
            except SegmentError as error:
                # Its header is damaged. If a power cut tore it, the segment holds no record; else the agent sets it
                # aside.
                _log.error("spool %s: %s: %s", self.directory.name, path.name, error)
                if path.stat().st_size <= HEADER_BYTES:
                    path.unlink()
        return sequence, 0


def repair(path: Path) -> int:
    """Cut the torn end off a segment that no process writes. Return the number after its last record.

    A segment that is damaged in the middle is not changed; the good records beyond the damage count.
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
