"""Random histories of money on a pure model: approvals, chargebacks, amounts, adjustments and payouts in any order.

The model books with tracking.money as the worker does by SQL; tests/integration plays the same
kind of histories on PostgreSQL.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tracking.conversions import LEGAL_TRANSITIONS, ConversionStatus
from tracking.money import (
    Amount,
    CommissionKind,
    Party,
    Plan,
    Rate,
    RateOrigin,
    compute_commission,
    due_entries,
    rate_finder,
)

DAY = date(2026, 10, 30)
FIND = rate_finder(
    Rate(RateOrigin.ECB, "EUR", currency, DAY, Decimal(rate))
    for currency, rate in (("USD", "1.0857"), ("JPY", "165.93"))
)
CURRENCIES = ("EUR", "USD", "JPY")
AMOUNTS = st.one_of(st.none(), st.integers(0, 10**7))
STATUSES = tuple(ConversionStatus)
PLANS = tuple(
    Plan(
        number,
        "plan",
        None,
        frozenset(),
        DAY,
        currency,
        baseline_minor=baseline,
        cpa_minor=4000,
        revshare_percent=Decimal("33.3333"),
    )
    for number, (currency, baseline) in enumerate([("EUR", None), ("USD", 2500), ("JPY", 100)], 1)
)


@dataclass
class Conversion:
    """A conversion as the model has it; `plan` stays once it was booked."""

    kind: CommissionKind
    plan: Plan
    status: ConversionStatus = ConversionStatus.PENDING
    amount_minor: int | None = None
    currency: str = "EUR"
    booked_plan: Plan | None = None

    def amount(self) -> Amount | None:
        return None if self.amount_minor is None else Amount(self.amount_minor, self.currency, DAY)

    def worth(self) -> dict[str, int]:
        """Return what its source should have for it, by currency."""
        plan = self.booked_plan or self.plan
        if self.status is not ConversionStatus.APPROVED:
            return {}
        amount = self.amount()
        earned = compute_commission(self.kind, plan, amount, [amount] if amount else [], FIND)
        return {plan.currency: earned.amount_minor} if earned.amount_minor else {}


@dataclass
class Entry:
    """A source's entry; `conversion` is null of adjustments and payouts."""

    conversion: int | None
    currency: str
    amount_minor: int
    locked: bool = False


@dataclass
class Ledger:
    """Entries are only appended; a payout locks what it pays."""

    entries: list[Entry] = field(default_factory=list)

    def book(self, number: int, conversion: Conversion) -> int:
        """Append what a conversion lacks; return how many entries that took."""
        conversion.booked_plan = conversion.booked_plan or conversion.plan
        booked: dict[str, int] = defaultdict(int)
        for entry in self.entries:
            if entry.conversion == number:
                booked[entry.currency] += entry.amount_minor
        due = due_entries(Party.SOURCE, conversion.worth(), booked)
        self.entries += [Entry(number, each.currency, each.amount_minor) for each in due]
        return len(due)

    def pay(self, currency: str) -> int:
        """Pay what is owed in a currency, if that is anything; return it."""
        open_entries = [entry for entry in self.entries if entry.currency == currency and not entry.locked]
        owed = sum(entry.amount_minor for entry in open_entries)
        if owed <= 0:
            return 0
        for entry in open_entries:
            entry.locked = True
        self.entries.append(Entry(None, currency, -owed, locked=True))
        return owed

    def balances(self) -> dict[str, int]:
        sums: dict[str, int] = defaultdict(int)
        for entry in self.entries:
            sums[entry.currency] += entry.amount_minor
        return {currency: amount for currency, amount in sums.items() if amount}


class MoneyHistory(RuleBasedStateMachine):
    """Anything operators and merchants may do, and bookkeeping whenever it comes to it."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.conversions: list[Conversion] = []
        self.adjusted: dict[str, int] = defaultdict(int)
        self.paid: dict[str, int] = defaultdict(int)
        self.unbooked: set[int] = set()
        self.was_locked: list[tuple[Any, ...]] = []

    @rule(
        kind=st.sampled_from(CommissionKind),
        plan=st.sampled_from(PLANS),
        amount=AMOUNTS,
        at=st.sampled_from(CURRENCIES),
    )
    def report(self, kind: CommissionKind, plan: Plan, amount: int | None, at: str) -> None:
        self.unbooked.add(len(self.conversions))
        self.conversions.append(Conversion(kind, plan, amount_minor=amount, currency=at))

    @precondition(lambda self: self.conversions)
    @rule(data=st.data(), status=st.sampled_from(STATUSES))
    def decide(self, data: Any, status: ConversionStatus) -> None:
        number = data.draw(st.integers(0, len(self.conversions) - 1))
        conversion = self.conversions[number]
        if (conversion.status, status) in LEGAL_TRANSITIONS:
            conversion.status = status
            self.unbooked.add(number)

    @precondition(lambda self: self.conversions)
    @rule(data=st.data(), amount=AMOUNTS, at=st.sampled_from(CURRENCIES))
    def correct(self, data: Any, amount: int | None, at: str) -> None:
        number = data.draw(st.integers(0, len(self.conversions) - 1))
        self.conversions[number].amount_minor, self.conversions[number].currency = amount, at
        self.unbooked.add(number)

    @precondition(lambda self: self.conversions)
    @rule(data=st.data(), plan=st.sampled_from(PLANS))
    def change_plan(self, data: Any, plan: Plan) -> None:
        self.conversions[data.draw(st.integers(0, len(self.conversions) - 1))].plan = plan

    @rule(amount=st.integers(-1000, 1000).filter(bool), currency=st.sampled_from(CURRENCIES))
    def adjust(self, amount: int, currency: str) -> None:
        self.ledger.entries.append(Entry(None, currency, amount))
        self.adjusted[currency] += amount

    @rule(random=st.randoms(use_true_random=False))
    def book(self, random: Any) -> None:
        waiting = sorted(self.unbooked)
        random.shuffle(waiting)
        for number in waiting:
            self.ledger.book(number, self.conversions[number])
            assert self.ledger.book(number, self.conversions[number]) == 0
        self.unbooked.clear()

    @rule(currency=st.sampled_from(CURRENCIES))
    def pay(self, currency: str) -> None:
        self.paid[currency] += self.ledger.pay(currency)

    @invariant()
    def balance_is_what_is_booked_and_adjusted_less_what_was_paid(self) -> None:
        expected: dict[str, int] = defaultdict(int)
        for number, conversion in enumerate(self.conversions):
            if number in self.unbooked:
                sums: dict[str, int] = defaultdict(int)
                for entry in self.ledger.entries:
                    if entry.conversion == number:
                        sums[entry.currency] += entry.amount_minor
                worth = dict(sums)
            else:
                worth = conversion.worth()
            for currency, amount in worth.items():
                expected[currency] += amount
        for currency in CURRENCIES:
            expected[currency] += self.adjusted[currency] - self.paid[currency]
        assert self.ledger.balances() == {currency: amount for currency, amount in expected.items() if amount}

    @invariant()
    def what_was_locked_is_as_it_was(self) -> None:
        locked = [(at, *vars(entry).values()) for at, entry in enumerate(self.ledger.entries) if entry.locked]
        assert [each for each in locked if each in self.was_locked] == self.was_locked
        self.was_locked = locked

    @invariant()
    def a_conversion_has_one_currency_that_is_not_zero(self) -> None:
        for number, conversion in enumerate(self.conversions):
            plan = conversion.booked_plan
            stray = [
                entry.amount_minor
                for entry in self.ledger.entries
                if entry.conversion == number and (plan is None or entry.currency != plan.currency)
            ]
            assert sum(stray) == 0


MoneyHistory.TestCase.settings = settings(max_examples=20, stateful_step_count=30, deadline=None)
TestMoneyHistory = MoneyHistory.TestCase


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(STATUSES), AMOUNTS), max_size=30), st.data())
@settings(max_examples=40, deadline=None)
def test_how_often_and_when_changes_are_booked_never_matters_for_the_sum(history: Any, data: Any) -> None:
    sums = []
    for _ in range(2):
        ledger = Ledger()
        conversions = [Conversion(CommissionKind.HYBRID, PLANS[number % 3]) for number in range(4)]
        for number, status, amount in history:
            if (conversions[number].status, status) in LEGAL_TRANSITIONS:
                conversions[number].status = status
            conversions[number].amount_minor = amount
            for other in data.draw(st.lists(st.integers(0, 3), max_size=4)):
                ledger.book(other, conversions[other])
        for number in data.draw(st.permutations(range(4))):
            ledger.book(number, conversions[number])
        sums.append(ledger.balances())
    assert sums[0] == sums[1]


@pytest.mark.parametrize("currency", CURRENCIES)
def test_a_payout_leaves_nothing_owed_and_nothing_negative_is_paid(currency: str) -> None:
    ledger = Ledger([Entry(None, currency, 300), Entry(None, currency, -100)])
    assert ledger.pay(currency) == 200
    assert ledger.balances() == {}
    ledger.entries.append(Entry(None, currency, -50))
    assert ledger.pay(currency) == 0
    assert ledger.balances() == {currency: -50}
