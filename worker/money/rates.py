"""Looks up exchange rates in PostgreSQL, both the European Central Bank's and the operator's."""

from __future__ import annotations

from datetime import date

from config.tables import exchange_rates
from tracking.money import PIVOT_CURRENCY, AppliedRate, Rate, RateOrigin, rate_finder
from worker.runtime import Connection


class Rates:
    """Looks up the rate of two currencies on a day, and asks the database once for each. Use it in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._found: dict[tuple[str, str, date], AppliedRate | None] = {}

    def __call__(self, source: str, target: str, day: date) -> AppliedRate | None:
        """Return the rate that counts, or None."""
        asked = (source, target, day)
        if asked not in self._found:
            currencies = [source, target, PIVOT_CURRENCY]
            rows = self._connection.execute(exchange_rates.COUNTING, {"currencies": currencies, "day": day}).fetchall()
            rates = [Rate(RateOrigin(origin), *rest) for origin, *rest in rows]
            self._found[asked] = rate_finder(rates)(source, target, day)
        return self._found[asked]
