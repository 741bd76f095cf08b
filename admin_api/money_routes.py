"""The routes of money: event types, plans, conversions, entries, exchange rates and payouts."""

from __future__ import annotations

import falcon

from admin_api.conversions import Action, ConversionItem, Conversions, EventTypeItem, EventTypes, ManyConversions
from admin_api.money import (
    PLANS,
    Balances,
    Entries,
    ExchangeRateItem,
    ExchangeRateLookup,
    ExchangeRates,
    PayoutExport,
    PayoutItem,
    PayoutRun,
    Payouts,
    PlanResolution,
)
from admin_api.money import decisions as payout_decisions
from admin_api.resources import Addresses, Collection, Item
from admin_api.runtime import Pool


def add_money_routes(app: falcon.App[falcon.Request, falcon.Response], pool: Pool, addresses: Addresses) -> None:
    """Add them to the app."""
    app.add_route("/v1/event-types", EventTypes(pool))
    app.add_route("/v1/event-types/{event}", EventTypeItem(pool))
    app.add_route("/v1/commission-plans", Collection(PLANS, pool, addresses))
    app.add_route("/v1/commission-plans/resolve", PlanResolution(pool))
    app.add_route("/v1/commission-plans/{object_id}", Item(PLANS, pool, addresses))
    app.add_route("/v1/conversions", Conversions(pool))
    app.add_route("/v1/conversions/{conversion_id}", ConversionItem(pool))
    for action in Action:
        app.add_route(f"/v1/conversions/{action}", ManyConversions(pool, action))
    app.add_route("/v1/entries", Entries(pool))
    app.add_route("/v1/balances", Balances(pool))
    app.add_route("/v1/exchange-rates", ExchangeRates(pool))
    app.add_route("/v1/exchange-rates/lookup", ExchangeRateLookup(pool))
    app.add_route("/v1/exchange-rates/{object_id}", ExchangeRateItem(pool))
    app.add_route("/v1/payouts", Payouts(pool))
    app.add_route("/v1/payouts/run", PayoutRun(pool))
    app.add_route("/v1/payouts/export", PayoutExport(pool))
    app.add_route("/v1/payouts/{payout_id}", PayoutItem(pool))
    for name, decision in payout_decisions(pool).items():
        app.add_route(f"/v1/payouts/{{payout_id}}/{name}", decision)
