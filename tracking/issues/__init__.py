"""The kinds and states of issues, which tell an operator what to look at. Pure."""

from __future__ import annotations

from tracking.issues.kinds import IssueKind, IssueState

__all__ = ["IssueKind", "IssueState"]
