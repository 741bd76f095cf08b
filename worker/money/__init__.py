"""Bookkeeping of conversions: their terms, entries, exchange rates and payouts."""

from __future__ import annotations

from worker.money.bookkeeping import book_changes, book_postponed, run_bookkeeping
from worker.money.payouts import make_payouts
from worker.money.rate_file import RateFileError, read_rates
from worker.money.rate_loading import Loaded, check_age, load_rates, newest_day, save_rates

__all__ = [
    "Loaded",
    "RateFileError",
    "book_changes",
    "book_postponed",
    "check_age",
    "load_rates",
    "make_payouts",
    "newest_day",
    "read_rates",
    "run_bookkeeping",
    "save_rates",
]
