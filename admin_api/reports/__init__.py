"""Reports: a question is read and checked, planned, and answered from roll-ups or rows, whole or not at all."""

from __future__ import annotations

from admin_api.reports.columns import COLUMNS
from admin_api.reports.drill_down import click_conditions
from admin_api.reports.export_files import WRITERS
from admin_api.reports.exports import export_routes
from admin_api.reports.parameters import Parameters
from admin_api.reports.parsing import UsualNow, parse_question, parse_selection
from admin_api.reports.postgres import PostgresReports
from admin_api.reports.queries import FILTERS, PERIOD, query_of
from admin_api.reports.question import Axis, Question, Selection, Usual, Viewer
from admin_api.reports.routes import report_routes, usual_now
from admin_api.reports.store import Answer, ReportStore, Stream

__all__ = [
    "COLUMNS",
    "FILTERS",
    "PERIOD",
    "WRITERS",
    "Answer",
    "Axis",
    "Parameters",
    "PostgresReports",
    "Question",
    "ReportStore",
    "Selection",
    "Stream",
    "Usual",
    "UsualNow",
    "Viewer",
    "click_conditions",
    "export_routes",
    "parse_question",
    "parse_selection",
    "query_of",
    "report_routes",
    "usual_now",
]
