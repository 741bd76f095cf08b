"""The fault menu: which fault strikes when, and on whom, all drawn from one seed. Pure, so a seed replays its plan."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

KILL = "kill -9"
STOP = "SIGSTOP"
FLUSH = "FLUSHALL"
FILL = "spool disk full"
STEP = "clock stepped"
RELOAD = "rolling restart"
# The stand-ins for one process among several: which one, `Fault.pick` says.
EDGE_WORKER = "edge worker"
BACKEND = "postgres backend"
# Relative frequency of the victims of a kill. Edge workers and what stands between spool and database come first.
_VICTIMS = {
    EDGE_WORKER: 22,
    "agent": 16,
    "clicks": 8,
    "clicks-2": 8,
    "postbacks": 8,
    "maintenance": 6,
    "valkey": 10,
    "postgres": 8,
    BACKEND: 6,
    "admin": 4,
    "edge": 4,
    "intake": 4,
    "deliveries": 4,
}
_STOPPED = (
    *(EDGE_WORKER, "agent", "clicks", "clicks-2", "postbacks", "deliveries", "maintenance"),
    *("valkey", "postgres", "admin", "edge", "intake"),
)
# Steps of the wall clock in seconds: leaps over midnights ahead, and back before ids that were given out.
_STEPS_S = (-3600, -5, 5, 600, 86_400 * 2, -86_400)
_OTHERS = (FLUSH, FILL, STEP, RELOAD)
# Of so many faults, one that is not a kill.
_KILLS_OF_TEN = 7


class Fault(NamedTuple):
    """One fault: `at_s` after the start, `hold_s` until it is lifted, `pick` chooses among several processes."""

    at_s: float
    kind: str
    target: str = ""
    hold_s: float = 0.0
    pick: int = 0
    amount: int = 0


def plan(seed: int, count: int, seconds: float, leave_out: frozenset[str] = frozenset()) -> list[Fault]:
    """Return `count` faults spread over `seconds`, in order. Kinds in `leave_out` cannot be had here."""
    random = Random(seed)
    others = [kind for kind in _OTHERS if kind not in leave_out]
    kinds = [KILL] * (count * _KILLS_OF_TEN // 10)
    # Each kind is there, however short the plan; the rest are stops and more of the same.
    kinds += others + [random.choice((STOP, STOP, *others)) for _ in range(count - len(kinds) - len(others))]
    random.shuffle(kinds)
    victims = _victims(random, kinds.count(KILL))
    pause_s = seconds / max(1, len(kinds))
    return [
        _draw(random, kind, victims, (place + random.random()) * pause_s) for place, kind in enumerate(kinds[:count])
    ]


def _victims(random: Random, count: int) -> list[str]:
    """Return the victims of `count` kills, every one of them at least once where there is room."""
    names = list(_VICTIMS)
    drawn = names[:count] + random.choices(names, list(_VICTIMS.values()), k=max(0, count - len(names)))
    random.shuffle(drawn)
    return drawn


def _draw(random: Random, kind: str, victims: list[str], at_s: float) -> Fault:
    pick = random.randrange(1 << 16)
    if kind == KILL:
        return Fault(at_s, kind, victims.pop(), pick=pick)
    if kind == STOP:
        return Fault(at_s, kind, random.choice(_STOPPED), random.uniform(0.5, 6.0), pick)
    if kind == FILL:
        return Fault(at_s, kind, hold_s=random.uniform(1.5, 4.0))
    if kind == STEP:
        return Fault(at_s, kind, hold_s=random.uniform(1.5, 4.0), amount=random.choice(_STEPS_S))
    return Fault(at_s, kind)
