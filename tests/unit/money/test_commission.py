"""What a conversion earns: every kind of commission, the baseline, and every reason for less."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tracking.money import (
    Amount,
    AppliedRate,
    Commission,
    CommissionKind,
    CommissionReason,
    DueEntry,
    EntryKind,
    MissingRate,
    Party,
    Plan,
    Rate,
    RateLookup,
    RateOrigin,
    compute_commission,
    due_entries,
    rate_finder,
)

DAY = date(2026, 10, 30)
FIND = rate_finder([Rate(RateOrigin.ECB, "EUR", "USD", DAY, Decimal("1.25"))])
Kind, Reason = CommissionKind, CommissionReason


def plan(**terms: Any) -> Plan:
    return Plan(1, "plan", None, frozenset(), date(2026, 1, 1), "USD", **terms)


def usd(amount_minor: int) -> Amount:
    return Amount(amount_minor, "USD", DAY)


def euro(amount_minor: int) -> Amount:
    return Amount(amount_minor, "EUR", DAY)


def earned(
    kind: Kind, of: Plan, revenue: Amount | None = None, *deposits: Amount, find: RateLookup = FIND
) -> tuple[int, tuple[Reason, ...]]:
    commission = compute_commission(kind, of, revenue, deposits, find)
    return commission.amount_minor, commission.reasons


ALL = plan(cpa_minor=4000, cpl_minor=150, revshare_percent=Decimal(25), baseline_minor=2000)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Kind.NONE, (0, (Reason.EVENT_EARNS_NONE,))),
        (Kind.CPA, (4000, ())),
        (Kind.CPL, (150, ())),
        (Kind.REVSHARE, (750, ())),
        (Kind.HYBRID, (4750, ())),
    ],
)
def test_each_kind_earns_its_own_terms(kind: Kind, expected: Any) -> None:
    assert earned(kind, ALL, usd(3000), usd(3000)) == expected


@pytest.mark.parametrize("kind", [Kind.CPA, Kind.CPL, Kind.REVSHARE, Kind.HYBRID])
def test_a_plan_without_the_term_earns_nothing_and_says_so(kind: Kind) -> None:
    assert earned(kind, plan(), usd(3000)) == (0, (Reason.NO_TERM,))


def test_a_hybrid_with_one_term_earns_that_one() -> None:
    assert earned(Kind.HYBRID, plan(cpa_minor=4000), usd(3000)) == (4000, (Reason.NO_TERM,))
    assert earned(Kind.HYBRID, plan(revshare_percent=Decimal(10)), usd(3000)) == (300, (Reason.NO_TERM,))


def test_a_share_of_an_amount_that_was_not_reported_is_nothing() -> None:
    assert earned(Kind.REVSHARE, ALL, None) == (0, (Reason.NO_AMOUNT,))
    assert earned(Kind.HYBRID, plan(cpa_minor=4000, revshare_percent=Decimal(5)), None) == (4000, (Reason.NO_AMOUNT,))


@pytest.mark.parametrize(
    ("deposits", "expected"),
    [
        ([usd(1999)], (0, (Reason.BELOW_BASELINE,))),
        ([usd(2000)], (4000, ())),
        # Reached by several deposits, in whatever currency.
        ([usd(1000), usd(999)], (0, (Reason.BELOW_BASELINE,))),
        ([usd(1000), usd(1000)], (4000, ())),
        ([usd(1000), euro(800)], (4000, ())),
        ([usd(1000), euro(799)], (0, (Reason.BELOW_BASELINE,))),
    ],
)
def test_cpa_is_earned_from_the_baseline_on(deposits: list[Amount], expected: Any) -> None:
    assert earned(Kind.CPA, ALL, deposits[0], *deposits) == expected


def test_an_event_that_is_no_deposit_counts_by_its_own_amount_or_its_clicks_deposits() -> None:
    assert earned(Kind.CPA, ALL, usd(2000)) == (4000, ())
    assert earned(Kind.CPA, ALL, None, usd(2000)) == (4000, ())
    assert earned(Kind.CPA, ALL, usd(1500), usd(1500)) == (0, (Reason.BELOW_BASELINE,))
    assert earned(Kind.CPA, ALL, None) == (0, (Reason.NO_AMOUNT,))


def test_the_baseline_is_for_cpa_only() -> None:
    assert earned(Kind.HYBRID, ALL, usd(1000), usd(1000)) == (250, (Reason.BELOW_BASELINE,))
    assert earned(Kind.CPL, ALL, None) == (150, ())


@pytest.mark.parametrize("baseline", [None, 0])
def test_without_a_baseline_no_amount_is_needed(baseline: int | None) -> None:
    assert earned(Kind.CPA, plan(cpa_minor=4000, baseline_minor=baseline), None) == (4000, ())


def test_a_share_of_another_currency_keeps_its_rate() -> None:
    commission = compute_commission(Kind.REVSHARE, ALL, euro(3000), [], FIND)
    assert commission == Commission(938, (), AppliedRate(Decimal("1.25"), DAY))
    assert compute_commission(Kind.REVSHARE, ALL, usd(3000), [], FIND).rate is None


@pytest.mark.parametrize(
    ("kind", "revenue", "deposits"),
    [(Kind.REVSHARE, euro(3000), []), (Kind.HYBRID, euro(1), [usd(2000)]), (Kind.CPA, usd(1), [euro(1)])],
)
def test_without_a_rate_nothing_is_guessed(kind: Kind, revenue: Amount, deposits: list[Amount]) -> None:
    commission = compute_commission(kind, ALL, revenue, deposits, rate_finder([]))
    missing = MissingRate("EUR", "USD", DAY)
    assert commission == Commission(0, (Reason.RATE_MISSING,), missing=missing)


def test_an_absurd_amount_earns_nothing_rather_than_failing() -> None:
    find = rate_finder([Rate(RateOrigin.OPERATOR, "BHD", "USD", DAY, Decimal(10**6))])
    huge = Amount(10**15, "BHD", DAY)
    assert earned(Kind.REVSHARE, ALL, huge, find=find) == (0, (Reason.AMOUNT_TOO_LARGE,))
    assert earned(Kind.HYBRID, plan(cpa_minor=10**15, revshare_percent=Decimal(100)), usd(1)) == (
        0,
        (Reason.AMOUNT_TOO_LARGE,),
    )


@pytest.mark.parametrize(
    ("target", "booked", "expected"),
    [
        ({}, {}, []),
        ({"USD": 5}, {}, [DueEntry(EntryKind.COMMISSION, "USD", 5)]),
        ({"USD": 5}, {"USD": 5}, []),
        ({"USD": 7}, {"USD": 5}, [DueEntry(EntryKind.ADJUSTMENT, "USD", 2)]),
        ({"USD": 3}, {"USD": 5}, [DueEntry(EntryKind.ADJUSTMENT, "USD", -2)]),
        ({}, {"USD": 5}, [DueEntry(EntryKind.REVERSAL, "USD", -5)]),
        ({"USD": 5}, {"USD": 0}, [DueEntry(EntryKind.COMMISSION, "USD", 5)]),
        ({"EUR": 4}, {"USD": 5}, [DueEntry(EntryKind.COMMISSION, "EUR", 4), DueEntry(EntryKind.REVERSAL, "USD", -5)]),
    ],
)
def test_what_is_due_makes_the_sum_what_it_should_be(
    target: dict[str, int], booked: dict[str, int], expected: list[DueEntry]
) -> None:
    assert due_entries(Party.SOURCE, target, booked) == expected


def test_a_merchants_first_entry_is_revenue() -> None:
    assert due_entries(Party.MERCHANT, {"USD": 5}, {}) == [DueEntry(EntryKind.REVENUE, "USD", 5)]
