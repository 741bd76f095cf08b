"""Loads a merchant's report and compares it with the stored conversions."""

from __future__ import annotations

from admin_api.reconciliation.routes import reconciliation_routes

__all__ = ["reconciliation_routes"]
