"""Every postback with its outcome and its remedy, and asking for replays."""

from __future__ import annotations

from admin_api.postbacks.postbacks import COLUMNS, present_postback
from admin_api.postbacks.routes import postback_routes

__all__ = ["COLUMNS", "postback_routes", "present_postback"]
