"""Many links at once: imports, exports, and changes of all links that a filter finds."""

from __future__ import annotations

from admin_api.bulk_links.routes import bulk_link_routes

__all__ = ["bulk_link_routes"]
