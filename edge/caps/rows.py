"""The caps that this host serves: follows the mirror and the clock, so that each cap has a row with its present period
and the next one.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, time

from config.caps import Ask
from config.configuration import CAP_PREFIX, MirrorReader, decode_cap
from edge.caps.grants import Grants
from edge.caps.shares import KeptCap, Share
from edge.caps.table import FULL
from tracking.caps import Cap, CapCount, CapPer, Period, following, period_at

_LOAD_S = 0.3
_TURN_S = 1.0
# A period is kept for so long after its end, for a clock that is set back. Then its half is the next period's. The caps
# take turns within the second time, since many of them end at midnight.
_KEEP_S = 60
_SPREAD_S = 600
_HALVES = (0, 1)
_NO_PERIOD = Period(0, 0)


class CapRows:
    """The kept caps by id and by row. `now_s` is the clock of the periods: Unix seconds. `elapsed_s` never goes back.

    `due` are caps to look at, `tell` those whose number in Redis is to be written anew, `lowered` those of which all
    that is not used is to be given back, `over` the periods that ended, as (cap_id, start_s), and `released` what is to
    be told of those that were given up before their end.
    """

    def __init__(
        self,
        grants: Grants,
        mirror: MirrorReader,
        now_s: Callable[[], float] = time,
        elapsed_s: Callable[[], float] = monotonic,
    ) -> None:
        self.grants = grants
        self.kept: dict[int, KeptCap] = {}
        self.by_row: dict[int, KeptCap] = {}
        self.due: set[int] = set()
        self.tell: set[int] = set()
        self.lowered: set[int] = set()
        self.over: list[tuple[int, int]] = []
        self.released: list[Ask] = []
        self._mirror = mirror
        self.now_s, self.elapsed_s = now_s, elapsed_s
        self._version: tuple[str, int] | None = None
        self._loaded_at = self._turned_at = float("-inf")

    def follow(self) -> None:
        """Take over what has changed in the mirror, and the periods that have begun."""
        now = self.elapsed_s()
        if now - self._loaded_at >= _LOAD_S:
            self._loaded_at = now
            self._load()
        if now - self._turned_at >= _TURN_S:
            self._turned_at = now
            at_s = int(self.now_s())
            for kept in self.kept.values():
                self._turn(kept, at_s, at_s - _KEEP_S - kept.cap.cap_id % _SPREAD_S)

    def _load(self) -> None:
        meta = self._mirror.meta()
        version = None if meta is None else (meta.epoch, meta.version)
        if version is None or version == self._version:
            return
        caps = [decode_cap(key, data) for key, data in self._mirror.with_prefix(CAP_PREFIX)]
        for cap_id in self.grants.cap_ids().difference(cap.cap_id for cap in caps):
            self._remove(cap_id)
        at_s = int(self.now_s())
        for cap in caps:
            kept = self.kept.get(cap.cap_id)
            if kept is None or kept.cap != cap:
                self._take_over(cap, kept, at_s)
        self._version = version

    def _remove(self, cap_id: int) -> None:
        kept = self.kept.pop(cap_id, None)
        if kept is not None:
            del self.by_row[kept.row]
            for half in _HALVES:
                self._release(kept, half)
            self.over += [(cap_id, share.period.start_s) for share in kept.shares if share is not None]
        self.grants.remove(cap_id)
        for names in (self.due, self.tell, self.lowered):
            names.discard(cap_id)

    def _take_over(self, cap: Cap, before: KeptCap | None, at_s: int) -> None:
        """Keep a cap as it is defined now."""
        row = self.grants.row(cap.cap_id)
        if row is None:
            return
        kept = KeptCap(cap, row, refused=self.grants.refused(row))
        if before is not None and before.cap.counted is cap.counted:
            # What was known stays, as far as the periods do.
            kept.shares = before.shares
            for share in kept.shares:
                if share is not None:
                    share.left = None
        if before is not None and before.cap._replace(limit=cap.limit) != cap:
            for half in _HALVES:
                self._release(before, half)
        for half in _HALVES:
            # What counted something else, or is of an agent that was killed.
            is_full = self.grants.granted(row, half) == FULL
            if is_full is not (cap.counted is CapCount.CONVERSIONS) and self.grants.granted(row, half):
                self.grants.begin(row, half, None)
        self.kept[cap.cap_id] = self.by_row[row] = kept
        self._turn(kept, at_s, None)
        self.due.add(cap.cap_id)
        self.tell.add(cap.cap_id)
        if before is not None:
            self.lowered.add(cap.cap_id)

    def _turn(self, kept: KeptCap, at_s: int, over_s: int | None) -> None:
        """Give the halves of a cap's row to the present period and the next one.

        A period that ended before `over_s` makes room for the next one; if that is None, every other period does.
        """
        if over_s is not None and _is_settled(kept, at_s, over_s):
            return
        cap, row = kept.cap, kept.row
        present = period_at(cap.per, cap.time_zone, at_s)
        after = following(cap.per, cap.time_zone, present)
        wanted = [present] if after is None else [present, after]
        held = [self.grants.period(row, half) for half in _HALVES]
        for period in wanted:
            if period in held:
                continue
            # Of two halves that hold neither, the one that ended first.
            half = min(
                (half for half in _HALVES if held[half] not in wanted),
                key=lambda half: (held[half] or _NO_PERIOD).end_s,
            )
            ended = held[half]
            if ended is not None and over_s is not None and ended.end_s > over_s and period is not present:
                continue
            self.grants.begin(row, half, period)
            held[half] = period
        for half in _HALVES:
            if over_s is None and held[half] not in wanted:
                self.grants.begin(row, half, None)
                held[half] = None
            self._share(kept, half, held[half])

    def _release(self, kept: KeptCap, half: int) -> None:
        """Give up a period before its end. What is not used of it may be another host's."""
        share, spent = kept.shares[half], self.grants.spent(kept.row, half)
        if share is not None and spent is not None and kept.cap.counted is CapCount.CLICKS:
            # RACE: as in CapKeeper, first lowered, then read.
            self.grants.grant(kept.row, half, 0)
            held = spent + self.grants.used(kept.row, half)
            self.released.append(Ask(kept.cap.cap_id, kept.cap.limit, *share.period, held, 0))

    def _share(self, kept: KeptCap, half: int, period: Period | None) -> None:
        """Note which period half a row holds now."""
        share = kept.shares[half]
        if (share and share.period) == period:
            return
        if share is not None:
            self.over.append((kept.cap.cap_id, share.period.start_s))
        kept.shares[half] = None if period is None else Share(period, self.grants.used(kept.row, half))
        self.due.add(kept.cap.cap_id)


def _is_settled(kept: KeptCap, at_s: int, over_s: int) -> bool:
    """Whether nothing has to be done. PERF: otherwise 10,000 caps would be compared with the calendar every second."""
    for share, other in (kept.shares, reversed(kept.shares)):
        if share is not None and share.period.start_s <= at_s < share.period.end_s:
            if other is None:
                return kept.cap.per is CapPer.TOTAL
            return other.period.start_s == share.period.end_s or other.period.end_s > over_s
    return False
