"""Bounds of click ids by time: an id begins with Unix milliseconds. Pure."""

from __future__ import annotations

from uuid import UUID

DAY_MS = 86_400_000
_BELOW_MS_BITS = 80


def ms_of(click_id: str) -> int:
    """Return the moment of a click id in Unix milliseconds."""
    return UUID(click_id).int >> _BELOW_MS_BITS


def start_of(ms: int) -> str:
    """Return the lowest id of a moment. It is not a click id itself."""
    return str(UUID(int=max(ms, 0) << _BELOW_MS_BITS))
