"""Issues: listed, read and resolved."""

from __future__ import annotations

from admin_api.issues.issues import open_issue
from admin_api.issues.routes import issue_routes

__all__ = ["issue_routes", "open_issue"]
