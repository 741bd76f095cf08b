"""Computes what an approved conversion earns its source, by the commission of its event type and the plan. Pure.

Nothing is guessed: if the amount or a rate is missing, the commission is 0 and its reasons say why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from tracking.conversions import Event
from tracking.money.commission_plans import Plan
from tracking.money.currencies import AMOUNT_MINOR_MAX
from tracking.money.exchange_rates import AppliedRate, RateLookup, convert

# The events whose amounts count toward the baseline of a plan, over all conversions of a click.
DEPOSIT_EVENTS = (Event.FTD.value, Event.DEPOSIT.value)


class CommissionKind(StrEnum):
    """The terms of a plan that an event type earns."""

    NONE = "none"
    CPA = "cpa"
    CPL = "cpl"
    REVSHARE = "revshare"
    # CPA and RevShare.
    HYBRID = "hybrid"


class CommissionReason(StrEnum):
    """Why a conversion earns nothing, or less than its event type can."""

    EVENT_EARNS_NONE = "event-earns-none"
    NO_SOURCE = "no-source"
    NO_PLAN = "no-plan"
    NO_TERM = "no-term"
    BELOW_BASELINE = "below-baseline"
    NO_AMOUNT = "no-amount"
    RATE_MISSING = "rate-missing"
    AMOUNT_TOO_LARGE = "amount-too-large"


class Amount(NamedTuple):
    """An amount that a merchant reported, in minor units, and the day (UTC) of its exchange rate."""

    amount_minor: int
    currency: str
    day: date


class MissingRate(NamedTuple):
    """An exchange rate that is needed and not known."""

    source: str
    target: str
    day: date


@dataclass(frozen=True, slots=True)
class Commission:
    """What is earned, in minor units of the plan's currency. `rate` is the one by which the revenue was converted.

    If `missing` is set, nothing is known yet: the amount is 0 and has to be computed again.
    """

    amount_minor: int = 0
    reasons: tuple[CommissionReason, ...] = ()
    rate: AppliedRate | None = None
    missing: MissingRate | None = None


def compute_commission(
    kind: CommissionKind, plan: Plan, revenue: Amount | None, deposits: Sequence[Amount], find_rate: RateLookup
) -> Commission:
    """Return what a conversion earns under a plan.

    `revenue` is the conversion's own amount. `deposits` are the amounts of all approved deposits of its click, its own
    included.
    """
    calculation = _Calculation(plan, find_rate)
    try:
        earned = calculation.earn(kind, revenue, deposits)
    except _NoRate as lack:
        return Commission(reasons=(CommissionReason.RATE_MISSING,), missing=lack.missing)
    except OverflowError:
        return Commission(reasons=(CommissionReason.AMOUNT_TOO_LARGE,))
    if earned > AMOUNT_MINOR_MAX:
        return Commission(reasons=(CommissionReason.AMOUNT_TOO_LARGE,))
    return Commission(earned, tuple(calculation.reasons), calculation.rate)


class _NoRate(Exception):  # noqa: N818
    """Ends a calculation. It never leaves this module."""

    def __init__(self, missing: MissingRate) -> None:
        super().__init__(missing)
        self.missing = missing


class _Calculation:
    """The calculation for one conversion under one plan. It collects the reasons, and the rate of the revenue."""

    def __init__(self, plan: Plan, find_rate: RateLookup) -> None:
        self._plan = plan
        self._find_rate = find_rate
        self.reasons: list[CommissionReason] = []
        self.rate: AppliedRate | None = None

    def earn(self, kind: CommissionKind, revenue: Amount | None, deposits: Sequence[Amount]) -> int:
        """Return the sum of the terms that the kind consists of."""
        if kind is CommissionKind.NONE:
            return self._nothing(CommissionReason.EVENT_EARNS_NONE)
        earned = 0
        if kind is CommissionKind.CPL:
            earned += self._term(self._plan.cpl_minor)
        if kind in (CommissionKind.CPA, CommissionKind.HYBRID):
            earned += self._cpa(revenue, deposits)
        if kind in (CommissionKind.REVSHARE, CommissionKind.HYBRID):
            earned += self._share(revenue)
        return earned

    def _cpa(self, revenue: Amount | None, deposits: Sequence[Amount]) -> int:
        cpa_minor, baseline_minor = self._plan.cpa_minor, self._plan.baseline_minor
        if cpa_minor is None or not baseline_minor:
            return self._term(cpa_minor)
        if revenue is None and not deposits:
            return self._nothing(CommissionReason.NO_AMOUNT)
        own = self._converted(revenue) if revenue is not None else 0
        if max(own, sum(self._converted(each) for each in deposits)) < baseline_minor:
            return self._nothing(CommissionReason.BELOW_BASELINE)
        return cpa_minor

    def _share(self, revenue: Amount | None) -> int:
        percent = self._plan.revshare_percent
        if percent is None:
            return self._nothing(CommissionReason.NO_TERM)
        if revenue is None:
            return self._nothing(CommissionReason.NO_AMOUNT)
        used = self._rate_of(revenue)
        if revenue.currency != self._plan.currency:
            self.rate = used
        return convert(revenue.amount_minor, revenue.currency, self._plan.currency, used.rate, percent)

    def _term(self, amount_minor: int | None) -> int:
        return self._nothing(CommissionReason.NO_TERM) if amount_minor is None else amount_minor

    def _converted(self, amount: Amount) -> int:
        return convert(amount.amount_minor, amount.currency, self._plan.currency, self._rate_of(amount).rate)

    def _rate_of(self, amount: Amount) -> AppliedRate:
        found = self._find_rate(amount.currency, self._plan.currency, amount.day)
        if found is None:
            raise _NoRate(MissingRate(amount.currency, self._plan.currency, amount.day))
        return found

    def _nothing(self, reason: CommissionReason) -> int:
        if reason not in self.reasons:
            self.reasons.append(reason)
        return 0
