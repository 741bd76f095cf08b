"""Loading a merchant's report and comparing it with what is stored."""

from __future__ import annotations

from admin_api.reconciliation.routes import reconciliation_routes

__all__ = ["reconciliation_routes"]
