"""The agent's side of the shared memory of caps: gives rows to caps and periods, grants, and reads what is used."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from pathlib import Path
from time import time

from edge.caps.table import (
    BOOT,
    CAP_ID,
    CAPS_MAX,
    FILES,
    FULL,
    LOW,
    PERIODS,
    REFUSED,
    REMOVED,
    ROWS,
    SHIFT,
    SPENT,
    SUMS,
    TOKEN,
    USED_WORDS,
    Sums,
    UsedFiles,
    boot_word,
    map_grants,
    row_at,
    rows_from,
)
from tracking.caps import Period

_log = logging.getLogger(__name__)
# In the place of what was spent, while Redis was not asked yet.
_UNKNOWN = (1 << 64) - 1
# What changed is looked for in blocks of so many rows.
_BLOCK_ROWS = 64


class Grants:
    """The rows of one host. The agent's lock sees to it that there is one writer."""

    def __init__(self, spool_dir: Path) -> None:
        self._words = map_grants(spool_dir)
        if self._words[BOOT] != boot_word():
            self._begin()
        self.token = f"{self._words[TOKEN]:016x}"
        self._files = UsedFiles(spool_dir, self._words)
        self._files_seen = -1
        self._seen: list[bytes] = []
        self._rows = {cap_id: row for row in range(ROWS) if 0 < (cap_id := self._words[row_at(row)]) < REMOVED}

    def _begin(self) -> None:
        """Take all grants back, under a new token.

        After a power cut, the counts may be older than what was used. What the host held under its former token stays
        in Redis and counts as used.
        """
        words = self._words
        words[BOOT] = 0
        for row in range(ROWS):
            if words[row_at(row) + CAP_ID]:
                self._clear(row)
                words[row_at(row) + CAP_ID] = 0
        words[TOKEN] = secrets.randbits(63)
        words[BOOT] = boot_word()

    def cap_ids(self) -> set[int]:
        """Return the caps that have a row."""
        return set(self._rows)

    def row(self, cap_id: int) -> int | None:
        """Return the row of a cap, a new one if it has none yet; None if all are taken."""
        if cap_id in self._rows:
            return self._rows[cap_id]
        if len(self._rows) >= CAPS_MAX:
            _log.error("cap %d counts as exhausted here: a host can serve %d caps", cap_id, CAPS_MAX)
            return None
        for row in rows_from(cap_id):
            place = row_at(row) + CAP_ID
            if self._words[place] in (0, REMOVED):
                self._clear(row)
                self._words[place] = cap_id
                self._rows[cap_id] = row
                return row
        raise AssertionError("there are more rows than caps")

    def remove(self, cap_id: int) -> None:
        """Take a cap's row away. Its links count it as exhausted."""
        row = self._rows.pop(cap_id)
        self._clear(row)
        words = self._words
        if words[row_at((row + 1) % ROWS) + CAP_ID]:
            words[row_at(row) + CAP_ID] = REMOVED
            return
        # Nothing was put further on because of this row or of those before it that are free as well.
        words[row_at(row) + CAP_ID] = 0
        while words[row_at(row := (row - 1) % ROWS) + CAP_ID] == REMOVED:
            words[row_at(row) + CAP_ID] = 0

    def period(self, row: int, half: int) -> Period | None:
        """Return the period of half a row."""
        word = self._words[row_at(row) + PERIODS[half]]
        return Period(word >> SHIFT, word & LOW) if word else None

    def begin(self, row: int, half: int, period: Period | None) -> None:
        """Give half a row to a period, with nothing granted and nothing used."""
        place = row_at(row) + PERIODS[half]
        words = self._words
        # RACE: in this order, so that no process takes the former period for one of the new generation.
        words[place] = 0
        words[row_at(row) + SPENT[half]] = _UNKNOWN
        # The time is higher than every generation before, also if the file was deleted and those of the processes not.
        words[place + 1] = max((words[place + 1] >> SHIFT) + 1, int(time())) << SHIFT
        if period is not None:
            words[place] = period.start_s << SHIFT | period.end_s

    def granted(self, row: int, half: int) -> int:
        """Return what is granted in half a row."""
        return self._words[row_at(row) + PERIODS[half] + 1] & LOW

    def grant(self, row: int, half: int, count: int) -> None:
        """Set what is granted in half a row, at most `FULL`."""
        place = row_at(row) + PERIODS[half] + 1
        self._words[place] = self._words[place] >> SHIFT << SHIFT | min(count, FULL)

    def spent(self, row: int, half: int) -> int | None:
        """Return what the host had used of the period before it got this half; None if that is not known yet."""
        word = self._words[row_at(row) + SPENT[half]]
        return None if word == _UNKNOWN else word

    def set_spent(self, row: int, half: int, count: int) -> None:
        """Note what the host had used before."""
        self._words[row_at(row) + SPENT[half]] = count

    def used(self, row: int, half: int) -> int:
        """Return what all processes have used in half a row."""
        base = self._words[row_at(row) + PERIODS[half] + 1] >> SHIFT << SHIFT
        place = row * USED_WORDS + half
        return sum(used - base for words in self._processes() if base < (used := words[place]) <= base + LOW)

    def refused(self, row: int) -> int:
        """Return how often a click was refused, by all processes ever."""
        place = row * USED_WORDS + REFUSED
        return sum(words[place] for words in self._processes())

    def changed_rows(self) -> set[int]:
        """Return the rows in which a process has counted since the last call."""
        rows: set[int] = set()
        for number, words in enumerate(self._processes()):
            now = words.tobytes()
            if number == len(self._seen):
                self._seen.append(bytes(len(now)))
            if now != self._seen[number]:
                rows.update(_differing_rows(self._seen[number], now))
                self._seen[number] = now
        return rows

    def _processes(self) -> tuple[memoryview, ...]:
        """Return the counts of every process, those that have just started among them."""
        if self._words[FILES] != self._files_seen:
            self._files_seen = self._words[FILES]
            self._files.refresh()
        return self._files.words

    def summarize(self, sums: Sums) -> None:
        """Set the sums that /metrics shows."""
        for place, value in enumerate(sums):
            self._words[SUMS + place] = value

    def _clear(self, row: int) -> None:
        for half in range(len(PERIODS)):
            self.begin(row, half, None)


def _differing_rows(before: bytes, after: bytes) -> Iterator[int]:
    """Yield the rows in which two states of a process's file differ."""
    block = _BLOCK_ROWS * USED_WORDS * 8
    row_bytes = USED_WORDS * 8
    for first in range(0, len(after), block):
        old, new = before[first : first + block], after[first : first + block]
        if old != new:
            for place in range(0, block, row_bytes):
                if old[place : place + row_bytes] != new[place : place + row_bytes]:
                    yield (first + place) // row_bytes
