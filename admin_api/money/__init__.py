"""Commission plans, entries and balances, exchange rates, payouts."""

from __future__ import annotations

from admin_api.money.commission_plans import missing_plan
from admin_api.money.routes import money_routes

__all__ = ["missing_plan", "money_routes"]
