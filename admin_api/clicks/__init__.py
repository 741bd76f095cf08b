"""One click with everything reported about it."""

from __future__ import annotations

from admin_api.clicks.clicks import click_routes, is_dropped, require_click

__all__ = ["click_routes", "is_dropped", "require_click"]
