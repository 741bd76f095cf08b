"""Whether the process answers, its metrics, and the state of the whole installation with what to do about it."""

from __future__ import annotations

from admin_api.health.routes import health_routes

__all__ = ["health_routes"]
