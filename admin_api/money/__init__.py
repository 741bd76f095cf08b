"""Commission plans, entries and balances, exchange rates, payouts."""

from __future__ import annotations

from admin_api.money.commission_plans import missing_plan
from admin_api.money.entries import Entry, load_entries_of, show_entry
from admin_api.money.routes import money_routes

__all__ = ["Entry", "load_entries_of", "missing_plan", "money_routes", "show_entry"]
