"""Keeps the roll-ups of reports: folds stored clicks and conversions into them, and checks them against the rows."""

from __future__ import annotations

from worker.reports.task import drop_report_hours, fold_reports

__all__ = ["drop_report_hours", "fold_reports"]
