"""The Event Log: everything that happened to a click, in order."""

from __future__ import annotations

from admin_api.event_log.resource import ClickTrace, TraceSearch

__all__ = ["ClickTrace", "TraceSearch"]
