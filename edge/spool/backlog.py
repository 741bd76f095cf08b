"""The spool's reading side: what one spool holds on disk that PostgreSQL has not confirmed, cut into extents to send.

Numbers come from segment headers, so an extent names the same records after any restart. A segment goes only when every
number in it is confirmed; one that is bad in the middle is then moved to `quarantine/` instead of deleted.
"""

from __future__ import annotations

import logging
import os
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from edge.spool import segments
from edge.spool.segments import FRAME_BYTES, HEADER_BYTES, SegmentError
from edge.spool.slots import is_ended
from edge.spool.spool_counts import INSTANT_TRIES, read_spool_counts
from tracking.spool import Batch, Progress

_log = logging.getLogger(__name__)
_EXTENT_BYTES_MAX = 4 << 20
_READ_BYTES = 8 << 20
_QUARANTINE = "quarantine"


@dataclass(slots=True)
class Extent:
    """Consecutive records of one segment: where they lie, and how many numbers right after them will never come."""

    path: Path
    start: int
    end: int
    first: int
    count: int
    found_at: float
    missing: int = 0

    @property
    def stop(self) -> int:
        """The number after the last one accounted for."""
        return self.first + self.count + self.missing


@dataclass(slots=True)
class _Segment:
    """A segment as far as it was scanned: `stop` is the number after its last record, `offset` where the next one
    begins.
    """

    path: Path
    first: int
    stop: int
    offset: int = HEADER_BYTES
    damaged: bool = False


class SpoolReport(NamedTuple):
    """The edge's side of the ledger for one spool, all taken at one instant.

    `issued` and `declared_lost` are the writer's own counts; `frames` are the numbers found by reading the disk.
    """

    issued: int
    declared_lost: int
    frames: int


class Backlog:
    """The unconfirmed part of one spool. `scan` finds what is new, `take` hands it out, `confirm` frees disk."""

    def __init__(self, directory: Path, batch_records: int) -> None:
        self.directory = directory
        self.spool_id = directory.name
        self.progress = Progress()
        self._batch_records = batch_records
        self._pending: deque[Extent] = deque()
        self._segments: list[_Segment] = []
        self._number = 0

    def scan(self) -> SpoolReport:
        """Index the whole records that the writer has finished by now, and return what the ledger needs of that
        instant.
        """
        known = self._segments[-1].path.name if self._segments else ""
        for _ in range(INSTANT_TRIES):
            later = [path for path in segments.segment_paths(self.directory) if path.name > known]
            newest = int(later[-1].stem) if later else int(Path(known).stem or 0)
            counts = read_spool_counts(self.directory)
            # It may have begun a new segment between the two looks.
            if counts is None or counts.segment == newest:
                break
        # The writer's own counts bound the scan, so that counts and records are of one instant. Counts that name
        # another segment than the newest file, even when asked again, are what a power cut left behind; then the files
        # count.
        limit = counts.end_offset if counts and counts.segment == newest else None
        if self._segments:
            self._read_segment(self._segments[-1], None if later else limit, sealed_by=self._header(later))
        for position, path in enumerate(later):
            if self._begin_segment(path):
                rest = later[position + 1 :]
                self._read_segment(self._segments[-1], None if rest else limit, sealed_by=self._header(rest))
        if counts is None:
            return SpoolReport(self._number, 0, self._number)
        return SpoolReport(counts.issued, counts.declared_lost, self._number)

    def take(self, wait_s: float) -> Extent | None:
        """Return the next extent to send: a full one, or a partial one that has waited `wait_s`."""
        if not self._pending:
            return None
        extent = self._pending[0]
        if len(self._pending) == 1 and extent.count < self._batch_records and monotonic() - extent.found_at < wait_s:
            return None
        return self._pending.popleft()

    def read(self, extent: Extent) -> Batch:
        """Return an extent's records. Raises OSError or SegmentError if the file is not what it was."""
        payloads: list[str] = []
        if extent.count:
            with extent.path.open("rb") as file:
                file.seek(extent.start)
                data = file.read(extent.end - extent.start)
            ends = segments.frame_ends(data, len(data))
            begins = [0, *ends]
            payloads = [data[begin + FRAME_BYTES : end].decode() for begin, end in zip(begins, ends, strict=False)]
        if len(payloads) != extent.count:
            raise SegmentError(f"{extent.path} changed: {len(payloads)} records where there were {extent.count}")
        return Batch(self.spool_id, extent.first, payloads, extent.missing)

    def confirm(self, progress: Progress) -> None:
        """Take note of what is committed and free every segment it covers, never the newest one."""
        self.progress = progress
        while self._pending and progress.covers(self._pending[0].first, self._pending[0].stop):
            self._pending.popleft()
        while len(self._segments) > 1 and progress.covers(self._segments[0].first, self._segments[0].stop):
            segment = self._segments.pop(0)
            # An earlier gap that nobody has confirmed yet may stand before them in the queue.
            self._pending = deque(extent for extent in self._pending if extent.path != segment.path)
            if segment.damaged:
                _set_aside(segment.path)
            else:
                segment.path.unlink(missing_ok=True)

    def is_settled(self) -> bool:
        """Whether the spool is ended, all of it stored, and nothing in it set aside for a person to look at."""
        # In this order: what its end brought to light is found by the scan.
        if not is_ended(self.directory) or (self.directory / _QUARANTINE).exists():
            return False
        report = self.scan()
        all_found = report.issued == report.frames + report.declared_lost
        return all_found and self.progress.covers(0, report.frames) and not self._pending

    @property
    def waiting(self) -> int:
        """How many records are indexed and not handed out."""
        return sum(extent.count for extent in self._pending)

    def _header(self, later: list[Path]) -> int | None:
        """Return the first number of the segment that follows, None if none follows or its header is not readable
        yet.
        """
        for path in later:
            try:
                with path.open("rb") as file:
                    return segments.decode_header(file.read(HEADER_BYTES))
            except (FileNotFoundError, SegmentError):
                continue
        return None

    def _begin_segment(self, path: Path) -> bool:
        first = self._header([path])
        if first is None:
            try:
                if path.stat().st_size >= HEADER_BYTES:
                    _log.error("spool %s: the header of %s is damaged; set aside", self.spool_id, path.name)
                    _set_aside(path)
            except FileNotFoundError:
                pass
            return False
        self._segments.append(_Segment(path, first, first))
        if first and not self._number:
            # What lay before the oldest segment is confirmed, or was in one whose header is damaged. The database knows
            # which: of numbers declared missing it counts those that it has not.
            self._pending.append(Extent(self.directory, 0, 0, 0, 0, monotonic(), first))
            self._number = first
        return True

    def _read_segment(self, segment: _Segment, limit: int | None, sealed_by: int | None) -> None:
        """Index a segment from where it was left, up to `limit` bytes. `sealed_by` is the next segment's first
        number.
        """
        try:
            with segment.path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size if limit is None else limit
                while segment.offset < size:
                    file.seek(segment.offset)
                    data = file.read(min(_READ_BYTES, size - segment.offset))
                    ends = segments.frame_ends(data, len(data))
                    if not ends:
                        break
                    self._index(segment, segment.offset, ends)
                if sealed_by is not None and segment.offset < size:
                    self._salvage(segment, sealed_by)
        except FileNotFoundError:
            _log.error("spool %s: %s vanished before it was confirmed", self.spool_id, segment.path.name)
        if sealed_by is not None and sealed_by > self._number:
            self._account_missing(segment, sealed_by - self._number)

    def _index(self, segment: _Segment, base: int, ends: list[int]) -> None:
        """Take note of frames that follow each other from offset `base` on, each given by where it ends after that."""
        at, start = 0, 0
        while at < len(ends):
            last = self._pending[-1] if self._pending else None
            if not self._may_grow(last, segment, base + start, base + ends[at]):
                last = Extent(segment.path, base + start, base + start, self._number, 0, monotonic())
                self._pending.append(last)
            assert last is not None
            # As many as the extent has room for, but one at least.
            many = bisect_right(ends, last.start + _EXTENT_BYTES_MAX - base, at) - at
            many = max(1, min(many, self._batch_records - last.count))
            at += many
            start = ends[at - 1]
            last.end, last.count = base + start, last.count + many
            self._number += many
        segment.stop, segment.offset = self._number, base + start

    def _may_grow(self, last: Extent | None, segment: _Segment, start: int, end: int) -> bool:
        """Whether a frame may be added to the last extent."""
        return (
            last is not None
            and last.path == segment.path
            and last.end == start
            and last.count < self._batch_records
            and not last.missing
            and end - last.start <= _EXTENT_BYTES_MAX
        )

    def _salvage(self, segment: _Segment, next_first: int) -> None:
        """Index the good records beyond damage in a finished segment; the last of them are the last of its numbers."""
        segment.damaged = True
        data = segment.path.read_bytes()
        # What was indexed before the damage came about keeps its numbers.
        later = [frame for frame in segments.scan_segment(data, len(data)).later if frame.start >= segment.offset]
        lost = next_first - self._number - len(later)
        _log.error(
            "spool %s: %s is damaged, %d records lost, %d salvaged", self.spool_id, segment.path.name, lost, len(later)
        )
        if lost > 0:
            self._account_missing(segment, lost)
        for frame in later:
            self._index(segment, frame.start, [frame.end - frame.start])

    def _account_missing(self, segment: _Segment, count: int) -> None:
        _log.error("spool %s: %d records from number %d on are missing", self.spool_id, count, self._number)
        self._pending.append(Extent(segment.path, segment.offset, segment.offset, self._number, 0, monotonic(), count))
        self._number += count
        segment.stop = self._number


def _set_aside(path: Path) -> None:
    directory = path.parent / _QUARANTINE
    directory.mkdir(exist_ok=True)
    path.rename(directory / path.name)
