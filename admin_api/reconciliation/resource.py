"""Reconciliation as resources: load a merchant's report, see what is missing or different, and open issues about it."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

import falcon
from pydantic import Field, WithJsonSchema

from admin_api.http import (
    ONLY_REVISION,
    Body,
    Condition,
    Filter,
    Number,
    NumberedPageQuery,
    Page,
    Revisions,
    checked,
    operation,
    page_of,
    received,
)
from admin_api.reconciliation.issues import open_issues
from admin_api.reconciliation.objects import ComparedRow, OpenedIssue, OpenedIssues, Reconciliation
from admin_api.reconciliation.report_settings import ReportSettings, parse_settings
from admin_api.reconciliation.row_table import load_rows
from admin_api.reconciliation.runs import delete_run, load_run, load_runs, save_run
from admin_api.runtime import Pool
from tracking.reconciliation import CLASS_FIXES, RowClass
from tracking.runtime import FieldError


def _check_actionable(kind: RowClass, field: str) -> RowClass:
    if kind not in CLASS_FIXES:
        raise FieldError(
            field, f"there is nothing to do about rows of class {kind}; name some of {', '.join(CLASS_FIXES)}"
        )
    return kind


# A class of rows that an operator has to look at.
ActionableClass = Annotated[
    RowClass, checked(_check_actionable), WithJsonSchema({"type": "string", "enum": list(CLASS_FIXES)})
]


class ReconciliationsQuery(Filter, NumberedPageQuery):
    """The reconciliations to list."""

    merchant_id: Annotated[Number | None, Condition("merchant_id = %(merchant_id)s")] = None
    """The account of the reports."""


class RowFilter(Filter):
    """The rows of a reconciliation to read."""

    kind: Annotated[RowClass | None, Condition("class = %(class)s"), Field(alias="class")] = None
    """The class of the rows."""


class RowsQuery(RowFilter, NumberedPageQuery):
    """The rows of a reconciliation to list."""


class IssuesWanted(Body):
    """The rows to open issues about."""

    classes: Annotated[list[ActionableClass], Field(min_length=1)] = list(CLASS_FIXES)
    """The classes of rows; all of these, if it is left out."""


class Reconciliations:
    """All runs, and how to make one."""

    def __init__(self, pool: Pool, click_id_keys: Sequence[bytes]) -> None:
        self._pool = pool
        self._keys = click_id_keys

    @operation(
        "Compare a merchant's report with what is stored",
        statuses=(HTTPStatus.CREATED,),
        form=ReportSettings,
        versioned=True,
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> Reconciliation:
        """Conversions stay as they are. The answer comes when all rows are compared."""
        with received(req) as upload:
            settings = parse_settings(upload.settings)
            with self._pool.connection() as database:
                run = save_run(database, upload, settings, self._keys)
                row = load_run(database, run)
        resp.location = f"/v1/reconciliations/{run}"
        resp.etag = str(ONLY_REVISION)
        return Reconciliation.of_row(row)

    @operation("List reconciliations")
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: ReconciliationsQuery) -> Page[Reconciliation]:
        """The newest run comes first."""
        with self._pool.connection() as database:
            rows = load_runs(database, query.chosen(), query.cursor, query.limit + 1)
        return page_of(
            Page[Reconciliation], rows, query.limit, Reconciliation.of_row, lambda row: str(row["reconciliation_id"])
        )


class ReconciliationItem:
    """One run."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Show a reconciliation", versioned=True)
    def on_get(self, req: falcon.Request, resp: falcon.Response, reconciliation_id: int) -> Reconciliation:
        """The answer has the settings by which the report was read, and the figures of each class of rows."""
        with self._pool.connection() as database:
            row = load_run(database, reconciliation_id)
        resp.etag = str(ONLY_REVISION)
        return Reconciliation.of_row(row)

    @operation("Remove a reconciliation", statuses=(HTTPStatus.NO_CONTENT,))
    def on_delete(self, req: falcon.Request, resp: falcon.Response, reconciliation_id: int, allowed: Revisions) -> None:
        """The run is removed with its rows. Conversions and issues stay as they are."""
        with self._pool.connection() as database:
            delete_run(database, reconciliation_id, allowed)


class ReconciliationIssues:
    """Issues about what an operator should look at in a run."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Open issues about a reconciliation", body_required=False)
    def on_post(
        self, req: falcon.Request, resp: falcon.Response, reconciliation_id: int, body: IssuesWanted
    ) -> OpenedIssues:
        """Opens one issue for each class that has rows. If you ask again, an open issue is counted once more."""
        classes = [RowClass(kind) for kind in body.classes]
        with self._pool.connection() as database:
            issues = open_issues(database, reconciliation_id, classes)
        return OpenedIssues(items=[OpenedIssue.of(issue) for issue in issues])


class ReconciliationRows:
    """The rows of a run."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("List the rows of a reconciliation")
    def on_get(
        self, req: falcon.Request, resp: falcon.Response, reconciliation_id: int, query: RowsQuery
    ) -> Page[ComparedRow]:
        """The rows are in the order of the file. Conversions without a row come last."""
        with self._pool.connection() as database:
            load_run(database, reconciliation_id)
            rows = load_rows(database, reconciliation_id, query.chosen(), query.after, query.limit + 1)
        return page_of(Page[ComparedRow], rows, query.limit, ComparedRow.of_row, lambda row: str(row["row_id"]))
