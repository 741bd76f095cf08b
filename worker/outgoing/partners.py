"""How many requests each partner may have under way: a limit for each origin, and less for those that are in trouble.

Pure bookkeeping of one process, no locks: the dispatcher's thread alone uses it.
"""

from __future__ import annotations

from dataclasses import dataclass

# A partner that takes longer than this is in trouble, as is one that gives no answer.
SLOW_S = 1.0


@dataclass(slots=True)
class _Partner:
    limit: int
    under_way: int = 0
    is_troubled: bool = False


class Partners:
    """Limits by origin. A failure cuts a partner's limit to one, each prompt answer raises it by one.

    All partners in trouble together get at most half of `slots`, so that no number of outages takes the slots that the
    others need.
    """

    def __init__(self, slots: int, limit: int) -> None:
        self._slots = slots
        self._limit = limit
        self._known: dict[str, _Partner] = {}

    def under_way(self) -> int:
        """Return how many requests are under way."""
        return sum(partner.under_way for partner in self._known.values())

    def rooms(self) -> dict[str, int]:
        """Return how many more requests each origin may begin now, where that is not the full limit."""
        troubled = [partner for partner in self._known.values() if partner.is_troubled]
        left = max(self._slots // 2, 1) - sum(partner.under_way for partner in troubled)
        rooms = {}
        for origin, partner in self._known.items():
            room = max(min(partner.limit, self._slots) - partner.under_way, 0)
            if partner.is_troubled:
                room = min(room, max(left, 0))
                left -= room
            rooms[origin] = room
        return rooms

    def begin(self, origin: str) -> None:
        """Note a request that begins."""
        self._known.setdefault(origin, _Partner(self._limit)).under_way += 1

    def end(self, origin: str, duration_s: float, *, is_healthy: bool) -> None:
        """Note a request that ended; `is_healthy` says that the partner answered it and was not overloaded."""
        # Behind the others: among those in trouble, turns go round.
        partner = self._known.pop(origin)
        partner.under_way -= 1
        partner.is_troubled = not is_healthy or duration_s > SLOW_S
        if not is_healthy:
            partner.limit = 1
        elif not partner.is_troubled:
            partner.limit = min(partner.limit + 1, self._limit)
        if partner.under_way or partner.is_troubled or partner.limit < self._limit:
            self._known[origin] = partner
