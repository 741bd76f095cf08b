"""SQL that both the workers and the admin API need. Each table has a module with its columns and its statements.

It holds text only. Neither program may import the other, and the edge, which imports config, must not load psycopg.
"""

from __future__ import annotations

from config.tables import (
    clicks,
    conversions,
    delivery_attempts,
    entries,
    exchange_rates,
    issues,
    payouts,
    postbacks,
    retention,
)

__all__ = [
    "clicks",
    "conversions",
    "delivery_attempts",
    "entries",
    "exchange_rates",
    "issues",
    "payouts",
    "postbacks",
    "retention",
]
