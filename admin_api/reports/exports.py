"""Answers as files to download: the whole answer to a question, as CSV or XLSX.

The file is written to disk before the first byte is sent. So an answer that fails is an error and not half a file, a
client that gets less than Content-Length knows it, and one that reads slowly holds no connection to the database.
"""

from __future__ import annotations

from os import SEEK_END
from tempfile import TemporaryFile
from typing import Any

import falcon

from admin_api.http import Route, add_operation, caller_of
from admin_api.reports.export_files import WRITERS
from admin_api.reports.parsing import UsualNow, parse_question
from admin_api.reports.queries import ReportQuery
from admin_api.reports.question import Viewer
from admin_api.reports.store import ReportStore

MEDIA_TYPES = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class ReportExport:
    """Reports as files of one kind."""

    def __init__(self, store: ReportStore, usual: UsualNow, kind: str) -> None:
        self._store = store
        self._usual = usual
        self._kind = kind
        add_operation(
            self,
            "get",
            type(self).export,
            f"Export a report as {kind.upper()}",
            types={"query": ReportQuery},
            produces=MEDIA_TYPES[kind],
            conflicts=("too-much", "rows-dropped"),
        )

    def export(self, req: falcon.Request, resp: falcon.Response, query: Any) -> None:
        """The file has all rows of the answer, as of one moment: `limit` and `cursor` do not count. Text that a
        spreadsheet would run as a formula stays text.
        """
        question = parse_question(query.stated(), Viewer.of(caller_of(req)), self._usual())
        file = TemporaryFile()  # noqa: SIM115 - it is closed when it was sent
        try:
            with self._store.stream(question) as stream:
                WRITERS[self._kind](stream, file)
            size = file.seek(0, SEEK_END)
            file.seek(0)
        except BaseException:
            file.close()
            raise
        header = "; charset=utf-8; header=present" if self._kind == "csv" else ""
        resp.content_type = MEDIA_TYPES[self._kind] + header
        days = f"{question.selection.first_day}-{question.selection.last_day}"
        resp.downloadable_as = f"report-{days}.{self._kind}"
        resp.set_stream(file, size)


def export_routes(store: ReportStore, usual: UsualNow) -> list[Route]:
    """Return the routes of answers as files."""
    return [Route(f"/v1/reports.{kind}", ReportExport(store, usual, kind)) for kind in WRITERS]
