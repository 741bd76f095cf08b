"""Bookkeeping: terms, entries, exchange rates and payouts that follow from conversions."""

from __future__ import annotations

from worker.money.bookkeeping import book_changes, book_postponed, run_bookkeeping
from worker.money.payouts import make_payouts
from worker.money.rates import load_rates

__all__ = ["book_changes", "book_postponed", "load_rates", "make_payouts", "run_bookkeeping"]
