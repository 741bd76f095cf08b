"""The reading side of one spool: finds the records on disk that PostgreSQL has not confirmed, and cuts them into
extents.

The numbers of records come from segment headers, so an extent names the same records after any restart. A segment is
deleted only when every number in it is confirmed. One that is damaged in the middle is moved to `quarantine/` instead.
"""

from __future__ import annotations

import logging
import os
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from edge.spool import segments
from edge.spool.segments import FRAME_BYTES, HEADER_BYTES, SegmentError
from edge.spool.slots import is_ended
from edge.spool.spool_counts import INSTANT_TRIES, read_spool_counts
from tracking.spool import Batch, Progress, RecordError, decode_click, decode_postback, stream_of

_log = logging.getLogger(__name__)
_EXTENT_BYTES_MAX = 4 << 20
_READ_BYTES = 8 << 20
_RECORD_BYTES_MAX = segments.PAYLOAD_BYTES_MAX + FRAME_BYTES
_QUARANTINE = "quarantine"


@dataclass(slots=True)
class Extent:
    """Consecutive records of one segment, as byte offsets. `missing` numbers right after them are lost."""

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
    """A segment as far as it is scanned: `stop` is the number after its last record, `offset` the end of that
    record.
    """

    path: Path
    first: int
    stop: int
    offset: int = HEADER_BYTES
    damaged: bool = False


class SpoolReport(NamedTuple):
    """The edge's side of the ledger for one spool, as of one instant.

    `issued` and `declared_lost` are what the writer counted. `frames` is how many numbers the disk accounts for.
    """

    issued: int
    declared_lost: int
    frames: int


class Backlog:
    """The unconfirmed part of one spool. `scan` finds new records, `take` hands them out, `confirm` frees the disk."""

    def __init__(self, directory: Path, batch_records: int) -> None:
        self.directory = directory
        self.spool_id = directory.name
        self.progress = Progress()
        self._batch_records = batch_records
        self._pending: deque[Extent] = deque()
        self._segments: list[_Segment] = []
        self._number = 0
        self._oldest: tuple[int, int | None] = (-1, None)

    def scan(self) -> SpoolReport:
        """Index all records that the writer has finished by now, and return the report of this instant."""
        known = self._segments[-1].path.name if self._segments else ""
        for _ in range(INSTANT_TRIES):
            later = [path for path in segments.segment_paths(self.directory) if path.name > known]
            newest = int(later[-1].stem) if later else int(Path(known).stem or 0)
            counts = read_spool_counts(self.directory)
            # RACE: the writer may have begun a new segment between the two looks.
            if counts is None or counts.segment == newest:
                break
        # The scan ends where the writer's counts say, so that counts and records are of one instant. If they keep
        # naming another segment than the newest file, a power cut left them behind, and the whole file is read.
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
        """Return the next extent to send: a full one, or one that has waited for `wait_s`. None if there is none."""
        if not self._pending:
            return None
        extent = self._pending[0]
        if len(self._pending) == 1 and extent.count < self._batch_records and monotonic() - extent.found_at < wait_s:
            return None
        return self._pending.popleft()

    def read(self, extent: Extent) -> Batch:
        """Return an extent's records. Raises OSError or SegmentError if they cannot be read any more."""
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

    def oldest_ms(self, sent: Sequence[Extent]) -> int | None:
        """Return when the oldest record was made of extents that were sent and of those that wait, in Unix ms.

        None if there is none, or if it cannot be read.
        """
        waiting = [extent for extent in (*sent, *islice(self._pending, 1)) if extent.count]
        if not waiting:
            return None
        extent = min(waiting, key=lambda each: each.first)
        if self._oldest[0] != extent.first:
            self._oldest = (extent.first, self._made_ms(extent))
        return self._oldest[1]

    def _made_ms(self, extent: Extent) -> int | None:
        try:
            with extent.path.open("rb") as file:
                file.seek(extent.start)
                data = file.read(min(extent.end - extent.start, _RECORD_BYTES_MAX))
            frame = segments.frame_at(data, 0, len(data))
            decode = decode_click if stream_of(self.spool_id) == "clicks" else decode_postback
            return None if frame is None else decode(frame.payload).at_ms
        except (OSError, RecordError):
            return None

    def confirm(self, progress: Progress) -> None:
        """Note what is committed, and delete every segment that it covers, except for the newest one."""
        self.progress = progress
        while self._pending and progress.covers(self._pending[0].first, self._pending[0].stop):
            self._pending.popleft()
        while len(self._segments) > 1 and progress.covers(self._segments[0].first, self._segments[0].stop):
            segment = self._segments.pop(0)
            # They need not be at the head of the queue: an earlier gap may still be unconfirmed.
            self._pending = deque(extent for extent in self._pending if extent.path != segment.path)
            if segment.damaged:
                _set_aside(segment.path)
            else:
                segment.path.unlink(missing_ok=True)

    def is_settled(self) -> bool:
        """Whether the spool is ended, all its records are stored, and no segment is in quarantine."""
        # RACE: in this order. Ending a spool may add a segment, and the scan then finds it.
        if not is_ended(self.directory) or (self.directory / _QUARANTINE).exists():
            return False
        report = self.scan()
        all_found = report.issued == report.frames + report.declared_lost
        return all_found and self.progress.covers(0, report.frames) and not self._pending

    @property
    def waiting(self) -> int:
        """The number of records that are indexed and not handed out."""
        return sum(extent.count for extent in self._pending)

    def _header(self, later: list[Path]) -> int | None:
        """Return the first number of the next segment, None if there is none or its header is not written yet."""
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
            # The numbers before the oldest segment are confirmed, or they were in a segment with a damaged header. They
            # are declared missing: the database counts only those as lost that it does not have.
            self._pending.append(Extent(self.directory, 0, 0, 0, 0, monotonic(), first))
            self._number = first
        return True

    def _read_segment(self, segment: _Segment, limit: int | None, sealed_by: int | None) -> None:
        """Index the rest of a segment, up to `limit` bytes. `sealed_by` is the first number of the next segment."""
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
        """Add consecutive frames to the extents. They start at offset `base`; `ends` are where each ends, from
        there.
        """
        at, start = 0, 0
        while at < len(ends):
            last = self._pending[-1] if self._pending else None
            if not self._may_grow(last, segment, base + start, base + ends[at]):
                last = Extent(segment.path, base + start, base + start, self._number, 0, monotonic())
                self._pending.append(last)
            assert last is not None
            # As many as fit into the extent, but at least one.
            many = bisect_right(ends, last.start + _EXTENT_BYTES_MAX - base, at) - at
            many = max(1, min(many, self._batch_records - last.count))
            at += many
            start = ends[at - 1]
            last.end, last.count = base + start, last.count + many
            self._number += many
        segment.stop, segment.offset = self._number, base + start

    def _may_grow(self, last: Extent | None, segment: _Segment, start: int, end: int) -> bool:
        """Whether the last extent can take a frame."""
        return (
            last is not None
            and last.path == segment.path
            and last.end == start
            and last.count < self._batch_records
            and not last.missing
            and end - last.start <= _EXTENT_BYTES_MAX
        )

    def _salvage(self, segment: _Segment, next_first: int) -> None:
        """Index the good records beyond the damage in a finished segment. They have the last numbers of the segment."""
        segment.damaged = True
        data = segment.path.read_bytes()
        # Records that were indexed before the damage happened keep their numbers.
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
