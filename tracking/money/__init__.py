"""Money in minor units, commission plans and commissions, ledger entries, exchange rates, payout schedules. Pure."""

from __future__ import annotations

from tracking.money.commission import (
    DEPOSIT_EVENTS,
    Amount,
    Commission,
    CommissionKind,
    CommissionReason,
    MissingRate,
    compute_commission,
)
from tracking.money.commission_plans import (
    Candidate,
    Plan,
    PlanLookup,
    PlanRung,
    PlanVerdict,
    plan_from_row,
    resolve_plan,
    winner,
)
from tracking.money.currencies import (
    AMOUNT_MINOR_MAX,
    currency_codes,
    format_amount,
    is_currency,
    minor_digits,
    parse_amount,
    parse_currency,
)
from tracking.money.entries import DueEntry, EntryKind, Party, due_entries
from tracking.money.exchange_rates import PIVOT_CURRENCY, AppliedRate, Rate, RateLookup, RateOrigin, rate_finder
from tracking.money.payout_schedules import (
    HeldBack,
    Payable,
    PayoutSchedule,
    PayoutState,
    held_back,
    payable_groups,
    period_ends,
)

__all__ = [
    "AMOUNT_MINOR_MAX",
    "DEPOSIT_EVENTS",
    "PIVOT_CURRENCY",
    "Amount",
    "AppliedRate",
    "Candidate",
    "Commission",
    "CommissionKind",
    "CommissionReason",
    "DueEntry",
    "EntryKind",
    "HeldBack",
    "MissingRate",
    "Party",
    "Payable",
    "PayoutSchedule",
    "PayoutState",
    "Plan",
    "PlanLookup",
    "PlanRung",
    "PlanVerdict",
    "Rate",
    "RateLookup",
    "RateOrigin",
    "compute_commission",
    "currency_codes",
    "due_entries",
    "format_amount",
    "held_back",
    "is_currency",
    "minor_digits",
    "parse_amount",
    "parse_currency",
    "payable_groups",
    "period_ends",
    "plan_from_row",
    "rate_finder",
    "resolve_plan",
    "winner",
]
