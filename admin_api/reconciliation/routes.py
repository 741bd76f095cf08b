"""The routes of reconciliations."""

from __future__ import annotations

from collections.abc import Sequence

from admin_api.http import Route
from admin_api.reconciliation.export import ReconciliationExport
from admin_api.reconciliation.resource import (
    ReconciliationIssues,
    ReconciliationItem,
    ReconciliationRows,
    Reconciliations,
)
from admin_api.runtime import Pool


def reconciliation_routes(pool: Pool, click_id_keys: Sequence[bytes]) -> list[Route]:
    """Return the routes of reconciliations."""
    item = "/v1/reconciliations/{reconciliation_id}"
    return [
        Route("/v1/reconciliations", Reconciliations(pool, click_id_keys)),
        Route(item, ReconciliationItem(pool)),
        Route(f"{item}/issues", ReconciliationIssues(pool)),
        Route(f"{item}/rows", ReconciliationRows(pool)),
        Route(f"{item}/rows.csv", ReconciliationExport(pool)),
    ]
