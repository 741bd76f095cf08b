"""The Event Log: everything that happened to a click, in order."""

from __future__ import annotations

from admin_api.event_log.routes import event_log_routes

__all__ = ["event_log_routes"]
