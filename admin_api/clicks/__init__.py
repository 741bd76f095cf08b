"""One click with everything reported about it."""

from __future__ import annotations

from admin_api.clicks.clicks import ClickItem, require_click

__all__ = ["ClickItem", "require_click"]
