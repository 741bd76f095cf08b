"""One edge process's side of caps: takes capacity for a click from what the agent has granted to this host.

What is not granted counts as exhausted, also while Redis or the agent is away: a cap that one can bill on.

RACE: a process first counts its click as used, and then compares what all processes of the host have used with what is
granted. If that is too much, it takes its click back. So of two processes that want the last unit at the same moment,
both may be refused, but they never both get it, whoever is stopped or killed in between. The agent takes capacity back
in the same way: it lowers what is granted, and then reads what is used. Both need their write to be seen before they
read. On x86 releasing the lock in between is a full memory barrier; on ARM64 it is none for later reads, and the write
is seen since hundreds of instructions of the interpreter lie in between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from time import time

from edge.caps.table import (
    BOOT,
    FILES,
    GENERATION,
    LOW,
    PERIODS,
    REFUSED,
    SHIFT,
    USED_WORDS,
    UsedFiles,
    boot_word,
    find_row,
    map_grants,
    row_at,
)

# Where a cap's present period is: the places of its granted and used words, the least count of its generation, and the
# period's start and end. PERF: a plain tuple, since `_claim` unpacks it in one step.
_Seat = tuple[int, int, int, int, int]


class Caps:
    """The caps of one process. `slot` names its file; `now_s` is the clock of the periods: Unix seconds."""

    def __init__(self, spool_dir: Path, slot: str, now_s: Callable[[], float] = time) -> None:
        self._grants = map_grants(spool_dir)
        self._files = UsedFiles(spool_dir, self._grants, slot)
        self._own = self._files.words[0]
        self._others = self._files.words[1:]
        self._files_seen = self._grants[FILES]
        self._boot = boot_word()
        self._now_s = now_s
        self._lock = Lock()
        self._seats: dict[int, _Seat] = {}

    def take(self, cap_ids: Sequence[int]) -> bool:
        """Count one click on each of the caps, and return True. If one of them has none left, count nothing."""
        now = self._now_s()
        for number, cap_id in enumerate(cap_ids):
            if not self._claim(cap_id, now):
                for taken in cap_ids[:number]:
                    self._give_back(self._seats.get(taken))
                return False
        return True

    def has_left(self, cap_ids: Sequence[int]) -> bool:
        """Whether each of the caps has something left now. Another click may get it before this one takes it."""
        now = self._now_s()
        for cap_id in cap_ids:  # noqa: SIM110 - PERF: a generator would cost as much as the look itself.
            if not self._has_one(cap_id, now):
                return False
        return True

    def _claim(self, cap_id: int, now: float) -> bool:
        """Count one click on a cap, or return False if it has none left."""
        seat = self._seats.get(cap_id)
        # A clock that is set back may be before the period again.
        if seat is None or not seat[3] <= now < seat[4]:
            seat = self._find(cap_id, now)
            if seat is None:
                return False
        granted_place, place, base, _, _ = seat
        own = self._own
        # PERF: a `with` block runs twice as many instructions as these two calls.
        self._lock.acquire()
        used = own[place]
        own[place] = used = (max(base, used)) + 1
        self._lock.release()
        used += self._used_by_others(place, base)
        granted = self._grants[granted_place]
        if used <= granted < base + GENERATION:
            return True
        self._give_back(seat)
        if base <= granted < base + GENERATION:
            self._count_refused(place)
            return False
        # The row has begun another period, or belongs to another cap.
        return self._find(cap_id, now) is not None and self._claim(cap_id, now)

    def _has_one(self, cap_id: int, now: float) -> bool:
        seat = self._seats.get(cap_id)
        granted = 0 if seat is None else self._grants[seat[0]]
        if seat is None or not (seat[3] <= now < seat[4] and seat[2] <= granted < seat[2] + GENERATION):
            seat = self._find(cap_id, now)
            if seat is None:
                return False
            granted = self._grants[seat[0]]
        _, place, base, _, _ = seat
        used = self._own[place]
        if (max(base, used)) + self._used_by_others(place, base) < granted:
            return True
        self._count_refused(place)
        return False

    def _used_by_others(self, place: int, base: int) -> int:
        """Return how much the other processes of the host have used of a generation."""
        if self._grants[FILES] != self._files_seen:
            self._meet_new_processes()
        total = 0
        for words in self._others:
            used = words[place]
            if used > base:
                total += used - base
        return total

    def _find(self, cap_id: int, now: float) -> _Seat | None:
        """Return where the cap's present period is, None if this host was granted nothing for it."""
        grants = self._grants
        # After a power cut the file may be older than what was used, until the agent has begun a new one.
        row = find_row(grants, cap_id) if grants[BOOT] == self._boot else None
        if row is not None:
            first = row_at(row)
            for half, offset in enumerate(PERIODS):
                place = first + offset + 1
                generation = grants[place] >> SHIFT
                period = grants[first + offset]
                start_s, end_s = period >> SHIFT, period & LOW
                # RACE: the agent gives the row a new generation before it gives it another period or another cap.
                if start_s <= now < end_s and grants[first] == cap_id and grants[place] >> SHIFT == generation:
                    seat = (place, row * USED_WORDS + half, generation << SHIFT, start_s, end_s)
                    self._seats[cap_id] = seat
                    return seat
        self._seats.pop(cap_id, None)
        return None

    def _meet_new_processes(self) -> None:
        self._files_seen = self._grants[FILES]
        self._files.refresh()
        self._others = self._files.words[1:]

    def _give_back(self, seat: _Seat | None) -> None:
        if seat is not None:
            with self._lock:
                if seat[2] < self._own[seat[1]] < seat[2] + GENERATION:
                    self._own[seat[1]] -= 1

    def _count_refused(self, place: int) -> None:
        """Tell the agent that a click is refused, so that it asks for more."""
        with self._lock:
            self._own[place // USED_WORDS * USED_WORDS + REFUSED] += 1
