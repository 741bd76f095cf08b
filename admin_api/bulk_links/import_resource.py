"""Imports as resources: a file with its settings, previewed and then carried out."""

from __future__ import annotations

import falcon

from admin_api.bulk_links.faults import Fault
from admin_api.bulk_links.import_objects import ImportResult, result_of
from admin_api.bulk_links.import_settings import ImportSettings, parse_import_settings
from admin_api.bulk_links.imports import Outcome, run_import
from admin_api.http import OUTDATED, caller_of, csv_pieces, operation, received
from admin_api.runtime import Pool


class LinkImport:
    """Imports a file of links."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Import links", form=ImportSettings, conflicts=(OUTDATED, "bulk-running"))
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> ImportResult:
        """Up to 100,000 links in one transaction. Without a token the answer is a preview; repeat it with its token."""
        with received(req) as upload:
            settings = parse_import_settings(upload.settings)
            with self._pool.connection() as database:
                outcome = run_import(database, upload.file, settings, caller_of(req))
        return result_of(outcome, done=settings.token is not None)


class LinkImportFaults:
    """All faults of a file of links."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("List the faults of an import", form=ImportSettings, produces="text/csv")
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """The file is CSV in UTF-8, with a row for each fault. Nothing is imported, whatever the settings say."""
        outcome = self._preview(req)
        resp.content_type = "text/csv; charset=utf-8; header=present"
        resp.downloadable_as = "import-faults.csv"
        resp.stream = csv_pieces(Fault._fields, outcome.faults)

    def _preview(self, req: falcon.Request) -> Outcome:
        with received(req) as upload:
            settings = parse_import_settings(upload.settings).model_copy(update={"token": None})
            with self._pool.connection() as database:
                return run_import(database, upload.file, settings, caller_of(req))
