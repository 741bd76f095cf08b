"""Saved reports, and their schedules by e-mail."""

from __future__ import annotations

from admin_api.saved_reports.mailer import Mailer
from admin_api.saved_reports.rendering import ReportRenderer
from admin_api.saved_reports.routes import saved_report_routes

__all__ = ["Mailer", "ReportRenderer", "saved_report_routes"]
