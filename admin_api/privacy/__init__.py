"""Privacy: what is kept for how long, and erasing what is stored of a visitor."""

from __future__ import annotations

from admin_api.privacy.routes import privacy_routes

__all__ = ["privacy_routes"]
