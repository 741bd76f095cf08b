"""The routes of reports."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

import falcon

from admin_api.http import Route, caller_of, operation
from admin_api.reports.conversions import ReportConversions
from admin_api.reports.dimensions import Dimensions
from admin_api.reports.objects import Report, shown_report
from admin_api.reports.parsing import UsualNow, parse_question
from admin_api.reports.queries import ReportQuery
from admin_api.reports.question import Usual, Viewer
from admin_api.reports.store import ReportStore
from admin_api.runtime import Pool
from config.settings import ReportSettings


class Reports:
    """Reports as a resource."""

    def __init__(self, store: ReportStore, usual: UsualNow) -> None:
        self._store = store
        self._usual = usual

    @operation("Ask a report", types={"query": ReportQuery}, conflicts=("too-much", "rows-dropped"))
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: Any) -> Report:
        """The answer is as of one moment and whole: what cannot be answered in time is refused. Rows without any of
        the figures asked for are left out.
        """
        began_s = perf_counter()
        question = parse_question(query.stated(), Viewer.of(caller_of(req)), self._usual())
        return shown_report(self._store.answer(question), began_s)


def usual_now(settings: ReportSettings, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> UsualNow:
    """Return a function that says what questions mean by default, now."""
    return lambda: Usual(settings.time_zone, settings.currency, settings.cost_currency, now())


def report_routes(pool: Pool, store: ReportStore, settings: ReportSettings) -> list[Route]:
    """Return the routes of reports."""
    usual = usual_now(settings)
    return [
        Route("/v1/reports", Reports(store, usual)),
        Route("/v1/reports/dimensions", Dimensions(usual)),
        Route("/v1/reports/conversions", ReportConversions(pool, usual)),
    ]
