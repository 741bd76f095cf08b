"""The operator's lists of traffic, as a worker process holds them: read again when their revision changed. SQL only."""

from __future__ import annotations

from datetime import datetime

from tracking.traffic import TrafficLists
from worker.runtime import Connection

_REVISION = "select revision, changed_at from traffic_lists"
_LISTS = "select networks::text[], asns, bot_agents, exempt_agents, revision from traffic_lists"
_known: dict[tuple[int, datetime], TrafficLists] = {}


def load_lists(connection: Connection) -> TrafficLists:
    """Return the lists as they are now; the same object as long as they are not changed."""
    row = connection.execute(_REVISION).fetchone()
    if row is None:
        return TrafficLists()
    known = _known.get(row)
    if known is None:
        found = connection.execute(_LISTS).fetchone()
        assert found is not None
        known = TrafficLists(*found)
        _known.clear()
        _known[row] = known
    return known
