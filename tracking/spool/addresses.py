"""How a spool names itself and its records, and which records PostgreSQL already has.

A spool is one append-only stream of one edge process slot: `{node}-{slot}-{birth}-{stream}`, `birth` being random hex
drawn when its directory is made, so that a directory that was deleted is never taken for its successor. Its records are
numbered from 0 for ever; a segment's header says the number of its first one, so (segment, offset) and number name the
same record.
"""

from __future__ import annotations

from typing import NamedTuple

import orjson

Range = tuple[int, int]


class Batch(NamedTuple):
    """Consecutive records of one spool as a job carries them. `first` is the number of `payloads[0]`.

    `missing` counts numbers after the payloads that will never come, since their segment was damaged.
    """

    spool_id: str
    first: int
    payloads: list[str]
    missing: int = 0

    @property
    def end(self) -> int:
        """The number after the last one this batch accounts for."""
        return self.first + len(self.payloads) + self.missing


class Progress(NamedTuple):
    """Which records of a spool are committed: all below `done`, and the `ahead` ranges, sorted and apart, above it."""

    done: int = 0
    ahead: tuple[Range, ...] = ()

    def covers(self, first: int, end: int) -> bool:
        """Whether all of [first, end) is committed."""
        return not self.gaps(first, end)

    def gaps(self, first: int, end: int) -> list[Range]:
        """Return the parts of [first, end) that are not committed, in order."""
        gaps = []
        at = max(first, self.done)
        for low, high in self.ahead:
            if low >= end:
                break
            if at < low:
                gaps.append((at, low))
            at = max(at, high)
        if at < end:
            gaps.append((at, end))
        return gaps

    def add(self, first: int, end: int) -> Progress:
        """Return the progress after [first, end) too is committed."""
        if first >= end:
            return self
        ranges = sorted([*self.ahead, (first, end)])
        done = self.done
        apart: list[Range] = []
        for low, high in ranges:
            if low <= done:
                done = max(done, high)
            elif apart and low <= apart[-1][1]:
                apart[-1] = (apart[-1][0], max(apart[-1][1], high))
            else:
                apart.append((low, high))
        return Progress(done, tuple(apart))


def spool_id(node: int, slot: int, birth: str, stream: str) -> str:
    """Return the name of a spool: `spool_id(7, 0, "3fa9c1", "clicks")` is `7-0-3fa9c1-clicks`."""
    return f"{node}-{slot}-{birth}-{stream}"


def stream_of(spool: str) -> str:
    """Return the stream of a spool's name: clicks or postbacks."""
    return spool.rsplit("-", 1)[1]


def encode_progress(progress: Progress) -> bytes:
    """Return the form in which workers publish a spool's progress to its agent."""
    return orjson.dumps(tuple(progress))


def decode_progress(data: bytes) -> Progress:
    """Return a published progress."""
    done, ahead = orjson.loads(data)
    return Progress(done, tuple((first, end) for first, end in ahead))
