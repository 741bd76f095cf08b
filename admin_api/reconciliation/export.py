"""The rows of a reconciliation as a CSV file, which is written while they are read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import falcon

from admin_api.http import Chosen, NotFoundError, csv_pieces, operation
from admin_api.reconciliation.objects import amounts_of
from admin_api.reconciliation.resource import RowFilter
from admin_api.reconciliation.row_table import load_rows
from admin_api.reconciliation.runs import load_run
from admin_api.runtime import Pool, Row

ROWS_AT_ONCE = 2000
# `fault` says what is wrong with a bad row, and what to do about it.
COLUMNS = (
    *("class", "row_number", "differences", "reported_on", "order_id", "click_id", "event", "amount", "currency"),
    *("status", "conversion_id", "our_received_at", "our_order_id", "our_click_id", "our_event", "our_amount"),
    *("our_currency", "our_status", "fault"),
)


class ReconciliationExport:
    """The rows of a run as a file."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Export the rows of a reconciliation", produces="text/csv")
    def on_get(self, req: falcon.Request, resp: falcon.Response, reconciliation_id: int, query: RowFilter) -> None:
        """The file is CSV in UTF-8, with all rows or those of a class."""
        with self._pool.connection() as database:
            figures = load_run(database, reconciliation_id)["figures"]
        expected = sum(figure["rows"] for kind, figure in figures.items() if query.kind in (None, kind))
        resp.content_type = "text/csv; charset=utf-8; header=present"
        resp.downloadable_as = f"reconciliation-{reconciliation_id}{f'-{query.kind}' if query.kind else ''}.csv"
        resp.stream = csv_pieces(COLUMNS, self._rows(reconciliation_id, query.chosen(), expected))

    def _rows(self, run: int, chosen: Chosen, expected: int) -> Iterator[list[Any]]:
        """Yield the rows. It reads a page at a time, so that a slow client holds no connection of the pool.

        Raises NotFoundError if the run is removed meanwhile: the connection breaks off, which no complete file does.
        """
        after, found = 0, 0
        while found < expected:
            with self._pool.connection() as database:
                rows = load_rows(database, run, chosen, after, ROWS_AT_ONCE)
            if not rows:
                raise NotFoundError(f"reconciliation {run} was removed while it was exported")
            yield from map(_exported, rows)
            after = rows[-1]["row_id"]
            found += len(rows)


def _exported(row: Row) -> list[Any]:
    shown = {
        **row,
        **amounts_of(row),
        "differences": " ".join(row["differences"]),
        "fault": " ".join(f"{fault['column']} {fault['value']!r}: {fault['fix']}." for fault in row["faults"] or ()),
    }
    return [shown[name] for name in COLUMNS]
