"""SQL that the workers and the admin API both need, a module for each table: its columns, and statements on it.

Only text. Neither program may import the other, and the edge, which imports config, must never load psycopg.
"""

from __future__ import annotations

from config.tables import clicks, conversions, delivery_attempts, entries, exchange_rates, issues, payouts, postbacks

__all__ = [
    "clicks",
    "conversions",
    "delivery_attempts",
    "entries",
    "exchange_rates",
    "issues",
    "payouts",
    "postbacks",
]
