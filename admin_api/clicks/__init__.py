"""The list of clicks, and one click with everything reported about it."""

from __future__ import annotations

from admin_api.clicks.clicks import is_dropped, require_click
from admin_api.clicks.routes import click_routes

__all__ = ["click_routes", "is_dropped", "require_click"]
