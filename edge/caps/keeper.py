"""Keeps this host supplied with capacity, in the agent: asks Redis for more before what the host holds is used up, and
gives back what another host wants and this one does not use.
"""

from __future__ import annotations

from collections.abc import Iterator

from redis import Redis, RedisError

from config.caps import GRACE_S, Ask, Beat, CapLedger, ConversionCounts, Granted, load_conversions
from edge.caps.rows import CapRows
from edge.caps.shares import KeptCap, Share
from edge.caps.table import FULL, Sums
from tracking.caps import CapCount

BEAT_S = 0.5
_REPORT_S = 1.0
_SUMS_S = 5.0
# After Redis said that nothing is granted yet.
_PAUSE_S = 1.0


class CapKeeper:
    """One host's caps. `step` does a round: what has changed on this host, then what Redis has to say."""

    def __init__(self, rows: CapRows, redis: Redis, grace_s: float = GRACE_S) -> None:
        self._rows = rows
        self._grants = rows.grants
        self._elapsed_s = rows.elapsed_s
        self._redis = redis
        self._grace_s = grace_s
        self._ledger = CapLedger(redis, rows.grants.token, grace_s)
        self._beat: Beat | None = None
        self._beaten_at = self._reported_at = self._summed_at = float("-inf")
        self._conversions = ConversionCounts({})
        self._unreported: set[int] = set()
        # Redis was away and may be another one now, without the latest numbers. Until then it is only told.
        self._was_away = False
        self._careful_until = self._paused_until = float("-inf")

    def step(self) -> None:
        """Do one round. Raises RedisError while Redis is away; the processes go on with what the host holds."""
        self._rows.follow()
        self._note_use()
        try:
            if self._elapsed_s() - self._beaten_at >= BEAT_S:
                self._listen()
            self._ask()
            if self._elapsed_s() - self._reported_at >= _REPORT_S:
                self._report()
        except RedisError:
            self._was_away = True
            raise

    def _note_use(self) -> None:
        """Take over what the processes have counted."""
        now = self._elapsed_s()
        for row in self._grants.changed_rows():
            kept = self._rows.by_row.get(row)
            if kept is None:
                continue
            for half, share in _shares(kept):
                used = self._grants.used(row, half)
                if used != share.used:
                    share.note_use(used, now)
                    self._unreported.add(kept.cap.cap_id)
            refused = self._grants.refused(row)
            if refused != kept.refused:
                kept.refused = refused
                for _, share in _shares(kept):
                    share.clicked_at, share.is_short = now, True
            self._rows.due.add(kept.cap.cap_id)

    def _listen(self) -> None:
        """Tell Redis that this host is there, and take over what has happened elsewhere."""
        beat = self._ledger.beat()
        before, self._beat, self._beaten_at = self._beat, beat, self._elapsed_s()
        if self._was_away or (before is not None and before.epoch != beat.epoch):
            # All that this host holds is told anew, and nothing is taken until the other hosts have had time for that.
            self._careful_until = self._elapsed_s() + self._grace_s
            self._paused_until = float("-inf")
            self._rows.due.update(self._rows.kept)
            self._rows.tell.update(self._rows.kept)
            self._unreported.update(self._rows.kept)
            self._was_away = False
        if beat.conversions and (before is None or before.conversions != beat.conversions):
            self._conversions = load_conversions(self._redis) or self._conversions
            kept_caps = self._rows.kept.values()
            self._rows.due.update(kept.cap.cap_id for kept in kept_caps if kept.cap.counted is CapCount.CONVERSIONS)
        for name in beat.wanted:
            cap_id, start_s = map(int, name.split(":"))
            kept = self._rows.kept.get(cap_id)
            if kept is not None:
                for half, share in _shares(kept):
                    if share.period.start_s == start_s:
                        self._give_back(kept, half, share.keep(self._elapsed_s()))

    def _give_back(self, kept: KeptCap, half: int, keep: int) -> None:
        """Lower what is granted to what is used, and `keep`. Redis is told in this round."""
        grants, row = self._grants, kept.row
        lower = grants.used(row, half) + keep
        if grants.granted(row, half) > lower:
            # RACE: first lowered, then read. What a process took in between is seen here, or it sees the lower grant.
            grants.grant(row, half, lower)
            grants.grant(row, half, max(lower, grants.used(row, half)))
            self._rows.due.add(kept.cap.cap_id)
            self._rows.tell.add(kept.cap.cap_id)

    def _ask(self) -> None:
        """Tell Redis what this host holds of the caps that are due, and ask for more where it is needed."""
        now = self._elapsed_s()
        if self._beat is None or now < self._paused_until:
            return
        if self._rows.released:
            # Before what follows, since the cap may be back.
            self._ledger.ask(self._rows.released, self._beat.hosts)
            self._rows.released.clear()
        asks = [(kept, half, ask) for kept in self._due_caps() for half, ask in self._requests(kept, now)]
        answers = self._ledger.ask([ask for _, _, ask in asks], self._beat.hosts) if asks else []
        # If Redis went away before, all of this is still due.
        self._rows.due.clear()
        self._rows.tell.clear()
        for (kept, half, ask), answer in zip(asks, answers, strict=True):
            self._accept(kept, half, ask, answer)
            if not answer.ready or now < self._careful_until:
                self._rows.due.add(kept.cap.cap_id)
                self._rows.tell.add(kept.cap.cap_id)
                self._paused_until = now + _PAUSE_S

    def _due_caps(self) -> Iterator[KeptCap]:
        """Yield the caps on clicks that are to be looked at. Those on conversions are opened or stopped."""
        for cap_id in tuple(self._rows.due):
            kept = self._rows.kept[cap_id]
            if kept.cap.counted is CapCount.CLICKS:
                yield kept
                continue
            for half, share in _shares(kept):
                reached = self._conversions.is_reached(cap_id, share.period.start_s)
                self._grants.grant(kept.row, half, 0 if reached else FULL)

    def _requests(self, kept: KeptCap, now: float) -> Iterator[tuple[int, Ask]]:
        """Yield what to say of each period of a cap, with its half."""
        cap, grants, row = kept.cap, self._grants, kept.row
        is_lowered = cap.cap_id in self._rows.lowered
        self._rows.lowered.discard(cap.cap_id)
        for half, share in _shares(kept):
            if is_lowered:
                self._give_back(kept, half, 0)
            granted, spent = grants.granted(row, half), grants.spent(row, half)
            careful = now < self._careful_until
            hosts = self._beat.hosts if self._beat else 1
            more = 0 if careful else share.more(cap.limit, granted - grants.used(row, half), hosts, now)
            # While Redis may lack the number of this host, it cannot be asked for it.
            if (more or cap.cap_id in self._rows.tell) and not (careful and spent is None):
                held = -1 if spent is None else spent + granted
                yield half, Ask(cap.cap_id, cap.limit, *share.period, held, more, share.others, share.holders)

    def _accept(self, kept: KeptCap, half: int, ask: Ask, answer: Granted) -> None:
        share = kept.shares[half]
        if share is None or not answer.ready:
            return
        grants, row = self._grants, kept.row
        if ask.held < 0:
            # RACE: if the answer to this question was lost once, what was given then counts as spent.
            grants.set_spent(row, half, answer.held)
        grants.grant(row, half, grants.granted(row, half) + answer.given)
        share.left, share.others = answer.left, answer.others
        # It never shrinks: when Redis knows of fewer hosts than before, it has lost them.
        share.holders = max(share.holders, answer.holders)
        # Until it is told, all that the host holds counts as used.
        self._unreported.add(kept.cap.cap_id)
        if ask.more:
            share.asked_at, share.is_short = self._elapsed_s(), False

    def _report(self) -> None:
        """Tell how much is used, and set the sums for /metrics."""
        rows, grants = self._rows, self._grants
        used = {
            (cap_id, share.period.start_s): (grants.spent(kept.row, half) or 0) + share.used
            for cap_id in self._unreported
            if (kept := rows.kept.get(cap_id)) is not None and kept.cap.counted is CapCount.CLICKS
            for half, share in _shares(kept)
        }
        if used or rows.over:
            self._ledger.report(used, rows.over)
        self._unreported.clear()
        rows.over.clear()
        self._reported_at = self._elapsed_s()
        if self._reported_at - self._summed_at >= _SUMS_S:
            self._summed_at = self._reported_at
            self._summarize()

    def _summarize(self) -> None:
        granted = used = exhausted = 0
        now = int(self._rows.now_s())
        for kept in self._rows.kept.values():
            for half, share in _shares(kept):
                if share.period.start_s <= now < share.period.end_s:
                    has = self._grants.granted(kept.row, half)
                    if kept.cap.counted is CapCount.CLICKS:
                        granted, used = granted + has, used + share.used
                        exhausted += share.left == 0 and share.used >= has
                    else:
                        exhausted += not has
        refused = sum(kept.refused for kept in self._rows.kept.values())
        self._grants.summarize(Sums(len(self._rows.kept), granted, used, exhausted, refused))


def _shares(kept: KeptCap) -> Iterator[tuple[int, Share]]:
    """Yield the halves of a cap's row that hold a period."""
    for half, share in enumerate(kept.shares):
        if share is not None:
            yield half, share
