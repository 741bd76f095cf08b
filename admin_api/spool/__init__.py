"""The loss ledger: issued = stored + in flight + declared lost."""

from __future__ import annotations

from admin_api.spool.ledger import LedgerItem, load_ledger

__all__ = ["LedgerItem", "load_ledger"]
