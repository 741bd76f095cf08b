"""Commission plans, entries and balances, exchange rates, payouts."""

from __future__ import annotations

from admin_api.money.commission_plans import PLANS, missing_plan
from admin_api.money.entries import Balances, Entries
from admin_api.money.exchange_rates import ExchangeRateItem, ExchangeRateLookup, ExchangeRates
from admin_api.money.payouts import PayoutExport, PayoutItem, PayoutRun, Payouts, decisions
from admin_api.money.plan_resolution import PlanResolution

__all__ = [
    "PLANS",
    "Balances",
    "Entries",
    "ExchangeRateItem",
    "ExchangeRateLookup",
    "ExchangeRates",
    "PayoutExport",
    "PayoutItem",
    "PayoutRun",
    "Payouts",
    "PlanResolution",
    "decisions",
    "missing_plan",
]
