"""The exchange rates that may count on a day. Bookkeeping and the admin API look at the same ones."""

from __future__ import annotations

# It takes the currencies and a day. A rate may count for up to 366 days after its own.
COUNTING = """
    select origin, base, quote, rate_date, rate, valid_days from exchange_rates
    where base = any(%(currencies)s) and quote = any(%(currencies)s)
        and rate_date between %(day)s::date - 366 and %(day)s and rate_date + valid_days >= %(day)s
"""
