"""The loss ledger: issued = stored + in flight + declared lost."""

from __future__ import annotations

from admin_api.spool.ledger import ledger_routes, load_ledger

__all__ = ["ledger_routes", "load_ledger"]
