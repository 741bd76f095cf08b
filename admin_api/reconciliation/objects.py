"""What the API shows about reconciliations: runs with their figures, compared rows, and the issues that were opened."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from admin_api.http import Shown, shown_of
from admin_api.reconciliation.report_settings import ReportSettings
from admin_api.runtime import Row
from tracking.conversions import ConversionStatus
from tracking.issues import IssueKind, IssueState
from tracking.money import format_amount
from tracking.reconciliation import Column, Difference, RowClass

# The values of settings before they existed: a run of an older release does not name settings that came later.
_USUAL_SETTINGS = {
    field.alias or name: field.get_default()
    for name, field in ReportSettings.model_fields.items()
    if not field.is_required()
}
StatedSettings = shown_of(
    "StatedReportSettings",
    ReportSettings,
    {},
    {},
    "The settings that a report was read by. Those that were left out have the values that stood for them.",
)


class Figures(Shown):
    """How many rows a class has, and what they are worth to each side, by currency."""

    rows: int
    theirs_minor: dict[str, int]
    """The sums of the report in minor units."""
    ours_minor: dict[str, int]
    """The sums of the stored conversions in minor units."""
    theirs: dict[str, str]
    """The sums of the report in major units."""
    ours: dict[str, str]
    """The sums of the stored conversions in major units."""

    @classmethod
    def of_minor(cls, figures: Mapping[str, Any]) -> Figures:
        """Return the stored figures of a class, with their sums in major units too."""
        return cls.of(figures, theirs=_major(figures["theirs_minor"]), ours=_major(figures["ours_minor"]))


class Reconciliation(Shown):
    """A merchant's report that was compared with the stored conversions."""

    reconciliation_id: int
    merchant_id: int
    first_day: date
    last_day: date
    time_zone: str
    begins_at: datetime
    """The moment at which the first day begins in that time zone."""
    ends_at: datetime
    """The moment at which the last day ends in that time zone."""
    file_name: str | None
    file_bytes: int
    file_sha256: str
    rules: StatedSettings  # type: ignore[valid-type]
    """The settings by which the report was read."""
    report_rows: int
    """How many rows the report has."""
    figures: dict[RowClass, Figures]
    """The figures of each class of rows."""
    created_at: datetime

    @classmethod
    def of_row(cls, row: Row) -> Reconciliation:
        """Return the run of a database row."""
        figures = {kind: Figures.of_minor(figures) for kind, figures in row["figures"].items()}
        return cls.of(row, rules=_USUAL_SETTINGS | row["rules"], figures=figures)


class CellFault(Shown):
    """A cell of a report that cannot be read."""

    column: Column
    value: str
    """The text of the cell, or its beginning."""
    fix: str
    """What to do about the cell."""


class ComparedRow(Shown):
    """A row of a report and its conversion, or either of them alone."""

    row_id: int
    kind: Annotated[RowClass, Field(alias="class")]
    row_number: int | None
    """The number of the row in the file, counted from 1 with the heading; null if only Waypost has the conversion."""
    reported_on: date | None
    order_id: str | None
    click_id: UUID | None
    event: str | None
    amount_minor: int | None
    currency: str | None
    status: ConversionStatus | None
    conversion_id: UUID | None
    our_received_at: datetime | None
    """This and all other fields that begin with `our_` show the conversion as it was when it was compared."""
    our_order_id: str | None
    our_click_id: UUID | None
    our_event: str | None
    our_amount_minor: int | None
    our_currency: str | None
    our_status: ConversionStatus | None
    differences: list[Difference]
    """The fields in which the row and its conversion differ."""
    faults: list[CellFault] | None
    """Every cell of a bad row that cannot be read."""
    amount: str | None
    """The report's amount in major units, as exact decimal text."""
    our_amount: str | None
    """The conversion's amount in major units, as exact decimal text."""

    @classmethod
    def of_row(cls, row: Row) -> ComparedRow:
        """Return the row of a database row."""
        return cls.of(row, **amounts_of(row))


class DifferenceDetail(Figures):
    """What an issue says about a class of rows."""

    reconciliation_id: int
    kind: Annotated[RowClass, Field(alias="class")]
    rows_at: str
    """Where to find the rows."""
    fix: str
    """What to do about the rows."""


class OpenedIssue(Shown):
    """An issue about a class of rows."""

    issue_id: int
    kind: Literal[IssueKind.RECONCILIATION_DIFFERENCE]
    state: IssueState
    title: str
    detail: DifferenceDetail
    merchant_id: int
    count: int
    """How often the issue was asked for."""
    opened_at: datetime
    last_seen_at: datetime


class OpenedIssues(Shown):
    """The issues that were opened or counted once more."""

    items: list[OpenedIssue]


def amounts_of(row: Row) -> dict[str, str | None]:
    """Return both amounts of a compared row in major units, as exact decimal text."""
    amounts = {}
    for prefix in ("", "our_"):
        minor, currency = row[f"{prefix}amount_minor"], row[f"{prefix}currency"]
        has_amount = minor is not None and currency is not None
        amounts[f"{prefix}amount"] = format_amount(minor, currency) if has_amount else None
    return amounts


def _major(sums: Mapping[str, int]) -> dict[str, str]:
    return {currency: format_amount(minor, currency) for currency, minor in sorted(sums.items())}
