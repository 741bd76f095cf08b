"""Opens issues in the transaction of what they are about."""

from __future__ import annotations

from worker.issues.table import open_issue

__all__ = ["open_issue"]
