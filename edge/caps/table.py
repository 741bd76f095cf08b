"""The shared memory of caps on one host: what the agent grants, and what each edge process has used of it.

One file belongs to the agent. It has a row for each cap with the host's capacity in two periods, the present one and
the next, so that a new period begins without the network. Each edge process has a file of its own with what it has used
of each row. No word has two writers, and a word is written whole. So there is no lock between processes, and a killed
process leaves nothing half done: the process that takes its slot goes on with its counts.

    agent    caps-1         header, then rows: cap_id, period, granted, period, granted, spent, spent (8 words each)
    process  caps-1.{slot}  rows: used in either period, refused (4 words each)

A period is `start << 32 | end` in Unix seconds, 0 if there is none. Counts are `generation << 32 | count`. Each new
period of a row has a higher generation, so a count of an earlier period counts as 0.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from config.shared_words import WORD_BYTES, map_words
from edge.spool import boot_id

ROWS = 1 << 14
# How many caps a host can serve. Some rows stay empty, so that the search for a cap without a row ends soon.
CAPS_MAX = 15_000
# The header: in which boot the rows were written, the host's random token, and how many processes have a file.
# From the fourth word on: Sums.
BOOT, TOKEN, FILES, SUMS = range(4)
HEADER = 8
ROW_WORDS = 8
USED_WORDS = 4
# Places in a row: the cap's id, for each of two halves its period and its granted count, and what was spent before.
CAP_ID = 0
PERIODS = (1, 3)
SPENT = (5, 6)
# Places in a row of a process: used in either half, and refused ever.
REFUSED = 2
LOW = (1 << 32) - 1
# The grant of a cap that does not count clicks and is not reached. The processes of a host can never use so much.
FULL = 1 << 31
SHIFT = 32
# Counts of two generations that follow each other differ by this.
GENERATION = 1 << SHIFT
# A row whose cap was removed. The search for another cap goes on after it, and ends at an empty row.
REMOVED = (1 << 64) - 1
_NAME = "caps-1"


class Sums(NamedTuple):
    """What the agent has added up: the caps of this host; of those on clicks what is granted and used in their present
    periods; how many of all are exhausted; and how often a click found one exhausted.
    """

    caps: int = 0
    granted: int = 0
    used: int = 0
    exhausted: int = 0
    refused: int = 0


def map_grants(spool_dir: Path) -> memoryview:
    """Map the agent's file. Whoever comes first makes it, empty."""
    return memoryview(map_words(spool_dir / _NAME, HEADER + ROWS * ROW_WORDS, writable=True)).cast("Q")


def boot_word() -> int:
    """Return a number that changes with each boot of the system."""
    return int.from_bytes(blake2b(boot_id().encode(), digest_size=7).digest(), "big") or 1


def row_at(row: int) -> int:
    """Return the place of a row's first word in the agent's file."""
    return HEADER + row * ROW_WORDS


def find_row(grants: memoryview, cap_id: int) -> int | None:
    """Return the row of a cap, None if it has none. The search begins at the row that its id gives."""
    for row in rows_from(cap_id):
        held = grants[row_at(row)]
        if held == cap_id:
            return row
        if not held:
            return None
    return None


def first_row(cap_id: int) -> int:
    """Return the row that a cap has if it is free: the upper bits of the id's product with a number without pattern."""
    return (cap_id * 0x9E3779B1 & LOW) >> 18


def rows_from(cap_id: int) -> Iterator[int]:
    """Yield all rows in the order in which a cap is looked for."""
    first = first_row(cap_id)
    yield from range(first, ROWS)
    yield from range(first)


class UsedFiles:
    """The files of all processes of a host. `words` has one view for each; the caller's own is the first."""

    def __init__(self, spool_dir: Path, grants: memoryview, own: str | None = None) -> None:
        self._spool_dir = spool_dir
        self._grants = grants
        self._mapped: dict[str, memoryview] = {}
        self.words: tuple[memoryview, ...] = ()
        if own is not None:
            self._join(f"{_NAME}.{own}")
        self.refresh()

    def refresh(self) -> None:
        """Map the files of processes that have started since."""
        for path in sorted(self._spool_dir.glob(f"{_NAME}.*")):
            self._map(path.name, writable=False)
        self.words = tuple(self._mapped.values())

    def _join(self, name: str) -> None:
        """Make this process's file and announce it. The others see the announcement before it takes anything."""
        self._map(name, writable=True)
        descriptor = os.open(self._spool_dir / _NAME, os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._grants[FILES] = sum(1 for _ in self._spool_dir.glob(f"{_NAME}.*"))
        finally:
            os.close(descriptor)

    def _map(self, name: str, *, writable: bool) -> None:
        if name not in self._mapped:
            # A process that was killed as it made its file leaves a short one. It has used nothing.
            path = self._spool_dir / name
            if writable or path.stat().st_size >= ROWS * USED_WORDS * WORD_BYTES:
                self._mapped[name] = memoryview(map_words(path, ROWS * USED_WORDS, writable=writable)).cast("Q")


def read_sums(spool_dir: Path) -> Sums:
    """Return what the agent has added up, zeros if it has never run."""
    try:
        words = memoryview(map_words(spool_dir / _NAME, HEADER, writable=False)).cast("Q")
    except FileNotFoundError:
        return Sums()
    return Sums(*words[SUMS : SUMS + len(Sums._fields)].tolist())
