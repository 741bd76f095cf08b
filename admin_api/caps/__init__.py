"""Caps with their use, now."""

from __future__ import annotations

from admin_api.caps.routes import cap_routes

__all__ = ["cap_routes"]
