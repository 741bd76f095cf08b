"""Opens issues, and resolves those whose cause is gone, in the transaction of the change that causes it."""

from __future__ import annotations

from worker.issues.table import open_issue, open_issue_once, resolve_issues

__all__ = ["open_issue", "open_issue_once", "resolve_issues"]
