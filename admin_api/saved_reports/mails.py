"""What is sent of saved reports: the list of mails, and sending one at once."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Literal, LiteralString

import falcon
from psycopg import sql

from admin_api.http import (
    Body,
    Condition,
    ConflictError,
    Filter,
    NotFoundError,
    Number,
    NumberedPageQuery,
    Page,
    Route,
    Shown,
    operation,
    page_of,
)
from admin_api.runtime import Pool
from admin_api.saved_reports.letters import mint_message_id
from admin_api.saved_reports.mail_table import add_mail
from admin_api.saved_reports.mailer import now_utc
from admin_api.saved_reports.schedules import Recipients, require_allowed, require_own_report
from config.settings import MailSettings
from tracking.runtime import FieldError

# Of one report, so that nobody fills the queue.
OPEN_MAX = 10
_SELECT: LiteralString = "select * from report_mails"
State = Literal["waiting", "preparing", "handing_over", "sent", "failed"]


class ReportMail(Shown):
    """One mail with a report."""

    report_mail_id: int
    saved_report_id: int
    report_schedule_id: int | None
    """The schedule that it is of; null for one that somebody asked for."""
    due_at: datetime
    """The moment it is for. Relative periods are counted from it."""
    format: Literal["csv", "xlsx"]
    state: State
    """`handing_over` means that it is being sent now, or that the process was killed while it was."""
    recipients: list[str]
    """Who is still to get it."""
    accepted: list[str]
    """For whom the mail server has taken it."""
    refused: dict[str, str]
    """Whom the mail server refused, with its words."""
    attempts: int
    doubts: int
    """How often nobody knows whether the mail server took it, since its answer did not arrive. It was sent again."""
    next_attempt_at: datetime
    """When it is tried next, while it is waiting."""
    last_error: str | None
    """Why the last attempt failed, or who was refused."""
    created_at: datetime
    ended_at: datetime | None


class ReportMailFilter(Filter):
    """The mails to find. All given filters must hold."""

    saved_report_id: Annotated[Number | None, Condition("saved_report_id = %(saved_report_id)s")] = None
    """The report."""
    report_schedule_id: Annotated[Number | None, Condition("report_schedule_id = %(report_schedule_id)s")] = None
    """The schedule."""
    state: Annotated[State | None, Condition("state = %(state)s")] = None
    """How far it is."""


class ReportMailQuery(ReportMailFilter, NumberedPageQuery):
    """A page of the list of mails."""


class SendRequest(Body):
    """Whom to send a report to."""

    recipients: Recipients
    """Whom it is sent to. A partner can send to its own address alone."""
    format: Literal["csv", "xlsx"] = "csv"
    """The kind of file."""


class ReportMails:
    """All mails, the newest first."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("List mails with reports")
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: ReportMailQuery) -> Page[ReportMail]:
        """The newest come first. They are kept for 90 days."""
        chosen = query.chosen()
        more = [] if query.cursor is None else [sql.SQL("report_mail_id < %(before)s")]
        statement = sql.SQL("{} {} order by report_mail_id desc limit %(limit)s").format(
            sql.SQL(_SELECT), chosen.where(*more)
        )
        values = {**chosen.values, "before": query.cursor, "limit": query.limit + 1}
        with self._pool.connection() as database:
            rows = database.execute(statement, values, prepare=False).fetchall()
        return page_of(Page[ReportMail], rows, query.limit, ReportMail.of, lambda row: str(row["report_mail_id"]))


class ReportMailItem:
    """One mail."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Show a mail with a report")
    def on_get(self, req: falcon.Request, resp: falcon.Response, report_mail_id: int) -> ReportMail:
        """Ask again to see how far it is."""
        with self._pool.connection() as database:
            row = database.execute(f"{_SELECT} where report_mail_id = %s", [report_mail_id]).fetchone()
        if row is None:
            raise NotFoundError(f"there is no report mail {report_mail_id}")
        return ReportMail.of(row)


class Sending:
    """Sends a saved report at once."""

    def __init__(self, pool: Pool, settings: MailSettings | None) -> None:
        self._pool = pool
        self._settings = settings

    @operation(
        "Send a saved report now",
        statuses=(HTTPStatus.ACCEPTED,),
        conflicts=("no-mail-server", "too-many-mails"),
    )
    def on_post(
        self, req: falcon.Request, resp: falcon.Response, saved_report_id: int, body: SendRequest
    ) -> ReportMail:
        """It is sent within seconds, in the same way as a schedule sends it. The answer says where to look for it."""
        if self._settings is None:
            raise ConflictError("no mail server is set: see SMTP_URL in docs/configuration.md", code="no-mail-server")
        now = now_utc()
        values = {
            **body.values(),
            "saved_report_id": saved_report_id,
            "report_schedule_id": None,
            "due_at": now,
            "now": now,
            "message_id": mint_message_id(self._settings.sender),
        }
        with self._pool.connection() as database, database.transaction():
            try:
                require_own_report(database, saved_report_id)
            except FieldError as error:
                raise NotFoundError(f"there is no saved report {saved_report_id} of yours") from error
            require_allowed(database, body.recipients)
            found = database.execute(
                "select count(*) as open from report_mails where saved_report_id = %s"
                " and state in ('waiting', 'preparing', 'handing_over')",
                [saved_report_id],
            ).fetchone()
            if found is not None and found["open"] >= OPEN_MAX:
                raise ConflictError(
                    f"{OPEN_MAX} mails of this report have yet to be sent; see /v1/report-mails", code="too-many-mails"
                )
            row = add_mail(database, values)
        resp.location = f"/v1/report-mails/{row['report_mail_id']}" if row else None
        return ReportMail.of(row)


def mail_routes(pool: Pool, settings: MailSettings | None) -> list[Route]:
    """Return the routes of mails."""
    return [
        Route("/v1/saved-reports/{saved_report_id}/send", Sending(pool, settings)),
        Route("/v1/report-mails", ReportMails(pool)),
        Route("/v1/report-mails/{report_mail_id}", ReportMailItem(pool)),
    ]
