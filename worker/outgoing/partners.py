"""Limits how many requests each partner has under way, and more strictly if the partner is in trouble.

It counts for one process and has no locks: only the dispatcher's thread uses it.
"""

from __future__ import annotations

from dataclasses import dataclass

# A partner that takes longer than this is in trouble, and so is one that does not answer.
SLOW_S = 1.0


@dataclass(slots=True)
class _Partner:
    limit: int
    under_way: int = 0
    is_troubled: bool = False


class Partners:
    """Limits by origin. A failure reduces a partner's limit to one, each prompt answer raises it by one.

    All partners in trouble together get at most half of the `slots`, so that the others always have the other half.
    """

    def __init__(self, slots: int, limit: int) -> None:
        self._slots = slots
        self._limit = limit
        self._known: dict[str, _Partner] = {}

    def under_way(self) -> int:
        """Return how many requests are under way."""
        return sum(partner.under_way for partner in self._known.values())

    def free_slots(self) -> dict[str, int]:
        """Return how many more requests each origin may begin now; origins that are not named have the full limit."""
        troubled = [partner for partner in self._known.values() if partner.is_troubled]
        left = max(self._slots // 2, 1) - sum(partner.under_way for partner in troubled)
        free_slots = {}
        for origin, partner in self._known.items():
            slots = max(min(partner.limit, self._slots) - partner.under_way, 0)
            if partner.is_troubled:
                slots = min(slots, max(left, 0))
                left -= slots
            free_slots[origin] = slots
        return free_slots

    def begin(self, origin: str) -> None:
        """Count a request that begins."""
        self._known.setdefault(origin, _Partner(self._limit)).under_way += 1

    def end(self, origin: str, duration_s: float, *, is_healthy: bool) -> None:
        """Count a request that ended. `is_healthy`: the partner answered, and is not overloaded."""
        # Put behind the others, so that partners in trouble take turns.
        partner = self._known.pop(origin)
        partner.under_way -= 1
        partner.is_troubled = not is_healthy or duration_s > SLOW_S
        if not is_healthy:
            partner.limit = 1
        elif not partner.is_troubled:
            partner.limit = min(partner.limit + 1, self._limit)
        if partner.under_way or partner.is_troubled or partner.limit < self._limit:
            self._known[origin] = partner
