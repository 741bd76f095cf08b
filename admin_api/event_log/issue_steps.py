"""The issues about a click, for an operator to look at, as steps of its trace. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from admin_api.http import Shown
from admin_api.runtime import Row
from tracking.event_log import Step, StepKind
from tracking.issues import IssueState


class IssueDetail(Shown):
    """An issue about the click in its current state."""

    issue_id: int
    # This is text, since the worker of a newer release may open issues of a kind that is not known here.
    kind: str
    """The kind of issue; see docs/admin-api.md."""
    title: str
    detail: dict[str, Any]
    """What is known about it. The fields depend on the kind."""
    count: int
    """How often it happened."""
    state: IssueState
    note: str | None


def issue_steps(issue: Row) -> Iterator[Step]:
    """Yield the steps that an issue was opened and that it was resolved."""
    key = f"issue:{issue['issue_id']}"
    shown = IssueDetail.of(issue)
    cause = f"postback:{issue['postback_id']}" if issue["postback_id"] else None
    yield Step(StepKind.ISSUE_OPENED, issue["opened_at"], key, shown.title, shown, cause, shown.issue_id)
    if issue["resolved_at"] is not None:
        text = shown.note or "without a note"
        yield Step(StepKind.ISSUE_RESOLVED, issue["resolved_at"], f"{key}:resolved", text, shown, key)
