"""What this oracle found each WSGI server to spoil before the edge sees it, so that a run can tell it from a fault.

A run leaves exactly this out of what it sends, and says so in its result.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec


@dataclass(frozen=True, slots=True)
class Limits:
    """What must not be sent through a server, `note` says why; and what else its connections break of.

    `idle_by_wall_clock`: a clock that leaps ahead makes it close every connection that is idle.
    """

    one_address: bool = False
    ascii_headers: bool = False
    idle_by_wall_clock: bool = False
    note: str = "none"


LIMITS = {
    "meinheld": Limits(
        one_address=True,
        idle_by_wall_clock=True,
        note="all visitors of one address: REMOTE_ADDR is that of the connection accepted last (a shared buffer)",
    ),
    "granian": Limits(ascii_headers=True, note="ASCII headers: a value with other bytes arrives empty"),
}


def server_of(wanted: str) -> str:
    """Return the server that EDGE_SERVER stands for here."""
    if wanted != "auto":
        return wanted
    return "meinheld" if find_spec("meinheld") else "granian"


def limits_of(server: str) -> Limits:
    """Return the limits of a server."""
    return LIMITS.get(server, Limits())
