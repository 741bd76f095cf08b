"""The routes of issues."""

from __future__ import annotations

from admin_api.http import Route
from admin_api.issues.issues import IssueItem, Issues, IssuesResolution
from admin_api.runtime import Pool


def issue_routes(pool: Pool) -> list[Route]:
    """Return the routes of issues."""
    return [
        Route("/v1/issues", Issues(pool)),
        Route("/v1/issues/resolve", IssuesResolution(pool)),
        Route("/v1/issues/{issue_id}", IssueItem(pool)),
    ]
