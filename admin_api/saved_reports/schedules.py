"""Schedules: when a saved report is sent by e-mail, to whom, and as what kind of file."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from admin_api.http import Body, Condition, Filter, Flag, Number, ObjectId, Values, checked
from admin_api.resources import Resource, insert
from admin_api.routing import TimeZone
from admin_api.runtime import Database, Row
from admin_api.saved_reports.mail_table import recurrence_of
from tracking.runtime import FieldError

RECIPIENTS_MAX = 20
_LOCAL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,40}(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,10}){0,2}"
_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = rf"{_LOCAL}@{_LABEL}(\.{_LABEL}){{1,3}}"
_WHEN = ("every", "weekday", "day", "hour", "time_zone")


def _check_address(value: str, field: str) -> str:
    # SECURITY: nothing that could end the address, in a header or in the SMTP session.
    if not re.fullmatch(_ADDRESS, value):
        raise FieldError(field, f"{field} must be addresses such as ann@example.com, not {value[:80]!r}")
    local, _, domain = value.rpartition("@")
    return f"{local}@{domain.lower()}"


def _each_once(values: list[str], field: str) -> list[str]:
    return list(dict.fromkeys(values))


EmailAddress = Annotated[
    str, checked(_check_address), WithJsonSchema({"type": "string", "pattern": f"^(?:{_ADDRESS})$"})
]
Recipients = Annotated[list[EmailAddress], Field(min_length=1, max_length=RECIPIENTS_MAX), checked(_each_once)]


class ReportScheduleFields(Body):
    """What a client may set of a schedule."""

    saved_report_id: ObjectId
    """The report that is sent, with the rights that its owner has by then."""
    active: bool = True
    """Whether it is sent. Setting it to true ends a suspension."""
    every: Literal["day", "week", "month"]
    """How often it is sent."""
    weekday: Annotated[int, Field(ge=1, le=7)] = 1
    """The day of the week, 1 being Monday, if it is sent every week."""
    day: Annotated[int, Field(ge=1, le=31)] = 1
    """The day of the month, if it is sent every month. In a shorter month it is the last day."""
    hour: Annotated[int, Field(ge=0, le=23)] = 6
    """The hour at which it is sent."""
    time_zone: TimeZone = "UTC"
    """The time zone of the hour and the day."""
    recipients: Recipients
    """Whom it is sent to. A partner can send to its own address alone."""
    format: Literal["csv", "xlsx"] = "csv"
    """The kind of file."""


class ReportScheduleFilter(Filter):
    """The schedules to find. All given filters must hold."""

    saved_report_id: Annotated[Number | None, Condition("report_schedules.saved_report_id = %(saved_report_id)s")] = (
        None
    )
    """The report that is sent."""
    active: Annotated[Flag | None, Condition("report_schedules.active = %(active)s")] = None
    """Whether it is active."""
    suspended: Annotated[Flag | None, Condition("(report_schedules.suspended_reason is not null) = %(suspended)s")] = (
        None
    )
    """Whether it was suspended."""


def report_schedules(clock: Callable[[], datetime]) -> Resource:
    """Return the resource."""

    def prepare(database: Database, values: Values, before: Row | None) -> Values:
        require_own_report(database, values.get("saved_report_id") or (before or {})["saved_report_id"])
        if "recipients" in values:
            require_allowed(database, values["recipients"])
        merged: dict[str, Any] = {**(before or {}), **values}
        if before is None or any(merged[name] != before[name] for name in _WHEN):
            values = values | {"next_at": recurrence_of(merged).next_after(clock())}
        # What was missed while it was off is not sent.
        elif values.get("active") and (not before["active"] or before["suspended_reason"] is not None):
            next_at = recurrence_of(merged).next_after(clock())
            values = values | {"next_at": next_at, "suspended_reason": None}
        return values

    resource = Resource(
        singular="report schedule",
        plural="report_schedules",
        path="report-schedules",
        id_name="report_schedule_id",
        description="When a saved report is sent by e-mail.",
        fields=ReportScheduleFields,
        select="select * from report_schedules",
        filters=ReportScheduleFilter,
        sorts=("created_at", "updated_at", "next_at"),
        prepare=prepare,
        create=lambda database, values, addresses: insert(database, resource, values),
        in_use="something still uses this schedule",
        shown_types={
            "suspended_reason": Annotated[
                str | None, Field(description="Why Waypost sends it no more. Setting active to true tries again.")
            ],
            "next_at": Annotated[datetime, Field(description="When it is due next, if it is active.")],
        },
    )
    return resource


def require_own_report(database: Database, saved_report_id: int) -> Row:
    """Lock and return a saved report that the caller may change, or raise FieldError. The row rules decide."""
    row = database.execute(
        "select * from saved_reports where saved_report_id = %s for update", [saved_report_id]
    ).fetchone()
    if row is None:
        raise FieldError("saved_report_id", "saved_report_id names no saved report of yours")
    return row


def require_allowed(database: Database, recipients: list[str]) -> None:
    """Raise FieldError if a partner names another address than its own.

    SECURITY: otherwise a partner could have mail with words of its choice sent to anybody, in the operator's name.
    """
    row = database.execute(
        "select email from users where user_id = viewer_key('user_id')"
        " and coalesce(current_setting('waypost.source_id', true), '') <> ''"
    ).fetchone()
    if row is not None and any(each.lower() != row["email"] for each in recipients):
        raise FieldError("recipients", "a partner's reports are sent to its own address alone")
