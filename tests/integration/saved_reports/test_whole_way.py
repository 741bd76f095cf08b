"""A schedule all the way: saved over the API, rendered from the tables, and sent by the mailer's own thread."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

from admin_api.reports import PostgresReports
from admin_api.runtime import Database
from admin_api.saved_reports import Mailer, ReportRenderer
from admin_client import AdminClient
from config.settings import MailSettings, ReportSettings
from mail_server import mail_server
from waiting import wait_until


def test_a_report_that_is_due_is_in_the_mail_a_moment_later(admin: AdminClient, database: Database) -> None:
    pool = admin.collaborators.pool
    report = admin.created(
        "saved-reports", name="=cmd()", question={"group_by": "day", "period": "yesterday", "columns": "net,revenue"}
    )
    schedule = admin.created(
        "report-schedules", saved_report_id=report["saved_report_id"], every="day", recipients=["ann@example.com"]
    )
    database.execute("update report_schedules set next_at = %s", [datetime(2026, 11, 25, 6, tzinfo=UTC)])
    renderer = ReportRenderer(PostgresReports(pool, 20), ReportSettings())
    with mail_server() as box:
        settings = MailSettings("127.0.0.1", box.port, "none", "", "", "reports@example.com")
        mailers = [Mailer(pool, renderer, settings) for _ in range(2)]
        for mailer in mailers:
            mailer.start()
        try:
            wait_until(lambda: database.execute("select from report_mails where state = 'sent'").rowcount == 1)
        finally:
            for mailer in mailers:
                mailer.stop()
    ((to, message),) = box.envelopes
    assert (to, message["Subject"]) == (["ann@example.com"], "=cmd()")
    (attachment,) = message.iter_attachments()
    assert attachment.get_filename() is not None
    assert attachment.get_filename().startswith("cmd-20")
    heading = next(csv.reader(io.StringIO(attachment.get_content().removeprefix("\ufeff"))))
    assert heading == ["day", "net", "revenue"]
    mail = admin.request("GET", f"/v1/report-mails?report_schedule_id={schedule['report_schedule_id']}").json["items"]
    assert [each["state"] for each in mail] == ["sent"]


def test_without_a_mail_server_a_schedule_fails_and_says_so(admin: AdminClient, database: Database) -> None:
    report = admin.created("saved-reports", name="A report", question={"period": "yesterday"})
    admin.created(
        "report-schedules", saved_report_id=report["saved_report_id"], every="day", recipients=["a@example.com"]
    )
    database.execute("update report_schedules set next_at = now()")
    pool = admin.collaborators.pool
    mailer = Mailer(pool, ReportRenderer(PostgresReports(pool, 20), ReportSettings()), None)
    mailer.start()
    try:
        wait_until(
            lambda: database.execute("select from report_mails where last_error like '%SMTP_URL%'").rowcount == 1
        )
    finally:
        mailer.stop()
