"""Issues: what an operator should look at. Any program may open one; they are listed and resolved here."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import falcon

from admin_api.http import (
    OUTDATED,
    Body,
    BulkResult,
    Condition,
    Filter,
    Number,
    Page,
    PreviewToken,
    Revisions,
    Shown,
    Text,
    changes_of,
    operation,
    order_of,
    page_of,
    sorted_query,
)
from admin_api.issues.table import SORTS, load_issue, load_issues, resolve_issues, save_issue
from admin_api.runtime import Pool, Row
from tracking.issues import IssueKind, IssueState

NOTE_CHARACTERS_MAX = 2000


class IssueFields(Body):
    """What an operator may set of an issue."""

    state: IssueState
    """Set it to `resolved` when you are done with the issue. It opens again when its cause occurs again."""
    note: Annotated[str, Text(NOTE_CHARACTERS_MAX)] | None
    """Your own note. It stays when the issue opens again."""


class IssueFilter(Filter):
    """The issues to find. All given filters must hold."""

    kind: Annotated[IssueKind | None, Condition("kind = %(kind)s")] = None
    """The kind of issue."""
    state: Annotated[IssueState | None, Condition("state = %(state)s")] = None
    """Whether the issues are open or resolved."""
    merchant_id: Annotated[Number | None, Condition("merchant_id = %(merchant_id)s")] = None
    """The merchant that the issues are about."""


IssueQuery = sorted_query("IssueQuery", tuple(SORTS), "-issue_id", IssueFilter)


class IssuesResolved(Body):
    """The issues to resolve, all with one note."""

    filter: IssueFilter
    """The filters of the list. Only open issues are found."""
    note: Annotated[str, Text(NOTE_CHARACTERS_MAX)] | None = None
    """Your note on each of them. Without one, their notes stay as they are."""
    token: PreviewToken | None = None
    """The token of a preview, which is then carried out. Without it the answer is a preview."""


class Issue(Shown):
    """Something that an operator should look at. Each cause has one issue, however often it occurs."""

    issue_id: int
    # This is text, since the worker of a newer release may open issues of a kind that is not known here.
    kind: str
    """The kind of issue: one of the kinds by which the list can be filtered."""
    state: IssueState
    title: str
    detail: dict[str, Any]
    """More about the last occurrence. The fields depend on the kind; see docs/admin-api.md."""
    merchant_id: int | None
    """The merchant that it is about; null if there is none."""
    postback_id: UUID | None
    """The postback of the last occurrence; null if there is none."""
    conversion_id: UUID | None
    """The conversion of the last occurrence; null if there is none."""
    click_id: UUID | None
    """The click of the last occurrence; null if there is none."""
    count: int
    """How often it happened."""
    reopened: int
    """How often it opened again after it was resolved."""
    note: str | None
    opened_at: datetime
    """When it happened for the first time."""
    last_seen_at: datetime
    """When it happened for the last time."""
    resolved_at: datetime | None
    """When it was resolved. Null while it is open."""


class Issues:
    """All issues."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("List issues", types={"query": IssueQuery})
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: Any) -> Page[Issue]:
        """Issues that were first opened most recently come first, unless `sort` says otherwise."""
        order = order_of(query.sort, SORTS, "issue_id")
        with self._pool.connection() as database:
            rows = load_issues(database, query.chosen(), order, query.cursor, query.limit + 1)
        sorted_by = query.sort.removeprefix("-")
        return page_of(
            Page[Issue], rows, query.limit, Issue.of, lambda row: order.cursor(row[sorted_by], row["issue_id"])
        )


class IssueItem:
    """One issue."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Show an issue", versioned=True)
    def on_get(self, req: falcon.Request, resp: falcon.Response, issue_id: int) -> Issue:
        """The ETag does not change when an open issue occurs again."""
        with self._pool.connection() as database:
            row = load_issue(database, issue_id)
        return _show(resp, row)

    @operation("Resolve an issue, or change its note", types={"body": changes_of(IssueFields)}, versioned=True)
    def on_patch(
        self, req: falcon.Request, resp: falcon.Response, issue_id: int, body: Body, allowed: Revisions
    ) -> Issue:
        """Change the fields that the body names. A resolved issue can be opened again."""
        with self._pool.connection() as database:
            row = save_issue(database, issue_id, body.changes(), allowed)
        return _show(resp, row)


class IssuesResolution:
    """Resolves the issues that a filter finds."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Resolve issues", conflicts=(OUTDATED,))
    def on_post(self, req: falcon.Request, resp: falcon.Response, body: IssuesResolved) -> BulkResult:
        """Up to 10,000 issues of a filter. Without a token the answer is a preview; repeat it with its token."""
        with self._pool.connection() as database:
            return resolve_issues(database, body.filter.chosen(), body.note, body.token)


def _show(resp: falcon.Response, row: Row) -> Issue:
    resp.etag = str(row["revision"])
    return Issue.of(row)
