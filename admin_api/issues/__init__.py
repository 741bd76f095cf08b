"""Issues: listed, read and resolved."""

from __future__ import annotations

from admin_api.issues.routes import issue_routes
from admin_api.issues.table import open_issue

__all__ = ["issue_routes", "open_issue"]
