"""Loading a merchant's report and comparing it with what is stored."""

from __future__ import annotations

from admin_api.reconciliation.resource import (
    ReconciliationExport,
    ReconciliationIssues,
    ReconciliationItem,
    ReconciliationRows,
    Reconciliations,
)

__all__ = [
    "ReconciliationExport",
    "ReconciliationIssues",
    "ReconciliationItem",
    "ReconciliationRows",
    "Reconciliations",
]
