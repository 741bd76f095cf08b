"""What the agent knows of one cap: its place in shared memory, and how much of it this host holds and uses."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

from tracking.caps import Cap, Period, lease_target

# A host that was refused asks again after this time, as long as clicks come.
_RETRY_S = 0.25
# A period in which nothing was used for so long is idle: it needs nothing that others want.
_IDLE_S = 1.0
# How much the latest use weighs in the rate.
_NEWEST = 0.5


@dataclass(slots=True)
class Share:
    """This host's share of a cap in one period. Moments are monotonic seconds.

    `left` is what no host holds, as Redis said last; None if it was not asked yet. `clicked_at` is when a click last
    came, taken or refused. `others` is what the other hosts hold, and `holders` how many hosts there are that hold any.
    `is_short` says that clicks were refused since it was last asked for more.
    """

    period: Period
    used: int = 0
    used_at: float = -inf
    clicked_at: float = -inf
    per_s: float = 0.0
    is_short: bool = False
    left: int | None = None
    others: int = 0
    holders: int = 0
    asked_at: float = -inf

    def note_use(self, used: int, now: float) -> None:
        """Note what all processes have used by now."""
        elapsed = now - self.used_at
        rate = max(0, used - self.used) / elapsed if elapsed > 0 else 0.0
        self.per_s += _NEWEST * (rate - self.per_s)
        self.used = used
        self.used_at = self.clicked_at = now

    def more(self, limit: int, unused: int, hosts: int, now: float) -> int:
        """Return how much to ask for, 0 for nothing. There is nothing to ask for until three quarters of what
        was wanted are used.
        """
        if self.left is not None and now - self.clicked_at >= _IDLE_S:
            # Otherwise an idle host would take back at once what it gave to another one.
            return 0
        target = lease_target(
            limit, limit if self.left is None else self.left, hosts, inf if self.is_short else self.per_s
        )
        if self.left == 0 and now - self.asked_at < _RETRY_S:
            return 0
        return target - unused if unused <= target // 4 else 0

    def keep(self, now: float) -> int:
        """Return how much unused capacity to keep of a cap that another host wants."""
        return 1 if now - self.used_at < _IDLE_S else 0


@dataclass(slots=True)
class KeptCap:
    """A cap with its row, and its shares by the halves of the row. `refused` counts the clicks that were refused."""

    cap: Cap
    row: int
    shares: list[Share | None] = field(default_factory=lambda: [None, None])
    refused: int = 0
