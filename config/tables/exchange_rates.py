"""Which exchange rates are looked at for a day: the same for bookkeeping, and for whoever asks the admin API."""

from __future__ import annotations

# Of the currencies and a day; a rate may count for up to 366 days.
COUNTING = """
    select origin, base, quote, rate_date, rate, valid_days from exchange_rates
    where base = any(%(currencies)s) and quote = any(%(currencies)s)
        and rate_date between %(day)s::date - 366 and %(day)s and rate_date + valid_days >= %(day)s
"""
