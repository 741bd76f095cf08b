"""Computes what a conversion is worth now, from its loaded data: revenue and commission, by currency. No SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from tracking.money import (
    Amount,
    AppliedRate,
    Commission,
    CommissionKind,
    CommissionReason,
    Plan,
    RateLookup,
    compute_commission,
)
from worker.money.booking_table import Bookable


def plan_of(item: Bookable, plans: Mapping[int, Plan]) -> Plan | None:
    """Return the plan that was chosen for a conversion, or None."""
    return plans.get(item.plan_id) if item.plan_id is not None else None


def needs_deposits(item: Bookable, plans: Mapping[int, Plan]) -> bool:
    """Whether what a conversion earns depends on its click's deposits."""
    plan = plan_of(item, plans)
    return item.approved and plan is not None and bool(plan.baseline_minor)


def revenue_of(item: Bookable) -> dict[str, int]:
    """Return what the merchant owes for a conversion."""
    if not item.approved or item.merchant_id is None or item.currency is None or not item.payout_minor:
        return {}
    return {item.currency: item.payout_minor}


def commission_of(item: Bookable, plan: Plan | None, deposits: Sequence[Amount], find_rate: RateLookup) -> Commission:
    """Return what a conversion earns its source. It keeps the exchange rate of its earlier booking."""
    if not item.approved:
        return Commission()
    if item.commission is CommissionKind.NONE:
        return Commission(reasons=(CommissionReason.EVENT_EARNS_NONE,))
    if item.source_id is None:
        return Commission(reasons=(CommissionReason.NO_SOURCE,))
    if plan is None:
        return Commission(reasons=(CommissionReason.NO_PLAN,))
    return compute_commission(item.commission, plan, item.amount, deposits, _with_kept_rate(item, plan, find_rate))


def _with_kept_rate(item: Bookable, plan: Plan, find_rate: RateLookup) -> RateLookup:
    kept = item.kept_rate
    if kept is None:
        return find_rate

    def find(source: str, target: str, day: date) -> AppliedRate | None:
        if (source, target, day) == (item.original_currency, plan.currency, item.day):
            return kept
        return find_rate(source, target, day)

    return find
