"""The routes of saved reports, their schedules and their mails."""

from __future__ import annotations

from admin_api.http import Route
from admin_api.resources import Addresses, resource_routes
from admin_api.runtime import Pool
from admin_api.saved_reports.attempts import Renderer
from admin_api.saved_reports.mailer import now_utc
from admin_api.saved_reports.mails import mail_routes
from admin_api.saved_reports.reports import saved_reports
from admin_api.saved_reports.schedules import report_schedules
from config.settings import MailSettings


def saved_report_routes(
    pool: Pool, addresses: Addresses, renderer: Renderer, settings: MailSettings | None
) -> list[Route]:
    """Return the routes."""
    return [
        *resource_routes(saved_reports(lambda question: renderer.check(question, now_utc())), pool, addresses),
        *resource_routes(report_schedules(now_utc), pool, addresses),
        *mail_routes(pool, settings),
    ]
