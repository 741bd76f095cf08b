"""What a decision needs besides the claim and what is stored: the event types, countries, and who is the cause."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from config.tables import retention
from tracking.clicks import clicked_at
from worker.conversions.matching import EventType
from worker.runtime import Connection

_EVENT_TYPES = "select event, repeatable, approval = 'manual' from event_types"


class Cause(StrEnum):
    """Why a conversion changes, in the words of conversion_changes; the causes that a worker can be."""

    POSTBACK = "postback"
    REPLAY = "replay"


class Context(NamedTuple):
    """The event types by name, how to find the country of an address (blank if not known), and the cause of changes.

    Clicks of before `clicks_dropped_before` are gone by retention, except those that were stored late.
    """

    event_types: Mapping[str, EventType]
    country_of: Callable[[str], str]
    cause: Cause = Cause.POSTBACK
    clicks_dropped_before: datetime | None = None

    def is_dropped(self, click_id: UUID) -> bool:
        """Whether a click that is not stored was dropped, and will not come any more."""
        return self.clicks_dropped_before is not None and clicked_at(click_id) < self.clicks_dropped_before


def load_context(connection: Connection, country_of: Callable[[str], str], cause: Cause = Cause.POSTBACK) -> Context:
    """Return the context of this moment. Event types that are switched off still count for what the edge let in."""
    rows = connection.execute(_EVENT_TYPES).fetchall()
    row = connection.execute(retention.CLICKS_DROPPED_BEFORE).fetchone()
    dropped_before = None if row is None else row[0]
    return Context({event: EventType(*facts) for event, *facts in rows}, country_of, cause, dropped_before)
