"""The kinds of issues that an operator should look at. Pure."""

from __future__ import annotations

from tracking.issues.kinds import IssueKind, IssueState

__all__ = ["IssueKind", "IssueState"]
