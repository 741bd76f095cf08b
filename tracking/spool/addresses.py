"""The names of spools, the numbers of their records, and which records PostgreSQL has stored.

A spool is one append-only stream of one slot. Its name is `{node}-{slot}-{birth}-{stream}`; `birth` is random hex, so
that a new spool is never taken for one that was deleted. Its records are numbered from 0, for as long as the spool
exists. The header of a segment has the number of its first record.
"""

from __future__ import annotations

from typing import NamedTuple

import orjson

Range = tuple[int, int]


class Batch(NamedTuple):
    """Consecutive records of one spool, as a job carries them. `first` is the number of `payloads[0]`.

    `missing` is how many numbers right after the payloads are lost, since their segment was damaged.
    """

    spool_id: str
    first: int
    payloads: list[str]
    missing: int = 0

    @property
    def end(self) -> int:
        """The number after the last one that this batch accounts for."""
        return self.first + len(self.payloads) + self.missing


class Progress(NamedTuple):
    """The records of a spool that are committed: all below `done`, and those of the ranges in `ahead`.

    The ranges are sorted; they neither overlap nor touch each other or `done`.
    """

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
        """Return the progress when [first, end) is committed too."""
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
    """Return a spool's progress as workers publish it to the agent."""
    return orjson.dumps(tuple(progress))


def decode_progress(data: bytes) -> Progress:
    """Return a published progress."""
    done, ahead = orjson.loads(data)
    return Progress(done, tuple((first, end) for first, end in ahead))
