"""The closed lists of conversion events and statuses, and of postback outcomes and reasons. Pure."""

from __future__ import annotations

from tracking.conversions.events import (
    LEGAL_TRANSITIONS,
    REPEAT_WINDOW_S,
    REPEATABLE_EVENTS,
    ConversionStatus,
    Event,
    PostbackOutcome,
    PostbackReason,
)

__all__ = [
    "LEGAL_TRANSITIONS",
    "REPEATABLE_EVENTS",
    "REPEAT_WINDOW_S",
    "ConversionStatus",
    "Event",
    "PostbackOutcome",
    "PostbackReason",
]
