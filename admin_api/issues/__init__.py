"""Issues: listed, read and resolved."""

from __future__ import annotations

from admin_api.issues.issues import IssueItem, Issues, open_issue

__all__ = ["IssueItem", "Issues", "open_issue"]
