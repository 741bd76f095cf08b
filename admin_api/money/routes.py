"""The routes of plans, entries, exchange rates and payouts."""

from __future__ import annotations

from admin_api.http import Route
from admin_api.money.commission_plans import PLANS
from admin_api.money.entries import Balances, Entries
from admin_api.money.exchange_rates import ExchangeRateItem, ExchangeRateLookup, ExchangeRates
from admin_api.money.payouts import (
    PayoutApproval,
    PayoutExport,
    PayoutItem,
    PayoutPayment,
    PayoutRejection,
    PayoutRun,
    Payouts,
)
from admin_api.money.plan_resolution import PlanResolution
from admin_api.resources import Addresses, resource_routes
from admin_api.runtime import Pool


def money_routes(pool: Pool, addresses: Addresses) -> list[Route]:
    """Return the routes of plans, entries, exchange rates and payouts."""
    return [
        *resource_routes(PLANS, pool, addresses),
        Route("/v1/commission-plans/resolve", PlanResolution(pool)),
        Route("/v1/entries", Entries(pool)),
        Route("/v1/balances", Balances(pool)),
        Route("/v1/exchange-rates", ExchangeRates(pool)),
        Route("/v1/exchange-rates/lookup", ExchangeRateLookup(pool)),
        Route("/v1/exchange-rates/{rate_id}", ExchangeRateItem(pool)),
        Route("/v1/payouts", Payouts(pool)),
        Route("/v1/payouts/run", PayoutRun(pool)),
        Route("/v1/payouts/export", PayoutExport(pool)),
        Route("/v1/payouts/{payout_id}", PayoutItem(pool)),
        Route("/v1/payouts/{payout_id}/approve", PayoutApproval(pool)),
        Route("/v1/payouts/{payout_id}/reject", PayoutRejection(pool)),
        Route("/v1/payouts/{payout_id}/pay", PayoutPayment(pool)),
    ]
