"""How much capacity a host holds in advance: enough for the next seconds, little near the limit."""

from __future__ import annotations

# A host holds what it uses in so many seconds, so that nothing stops when an agent is restarted or Redis is away
# for a moment.
AHEAD_S = 5.0
# But at least a twentieth of the limit, within these bounds, so that clicks that come all at once find something, and a
# cap in little use needs few commands to Redis.
_PART = 20
_LEAST_MIN = 4
_LEAST_MAX = 10_000


def lease_target(limit: int, left: int, hosts: int, used_per_s: float) -> int:
    """Return how much unused capacity a host should hold; at least 1. `used_per_s` may be infinite.

    `left` is what no host holds. A host never asks for more than half of its share of that, so that the capacity that
    hosts hold and do not use shrinks as the cap nears its limit, and each of them can go on until the end. A host that
    is alone holds all of it: it would refuse clicks between two rounds of its agent, and there is nobody else to use
    what is left.
    """
    if hosts <= 1:
        return max(1, left)
    share = left // (2 * max(1, hosts))
    least = min(_LEAST_MAX, max(_LEAST_MIN, limit // _PART))
    return max(1, int(min(share, max(least, used_per_s * AHEAD_S))))
