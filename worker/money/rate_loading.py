"""Loads the European Central Bank's exchange rates into PostgreSQL, and opens an issue when they grow old.

The rates come from the file in the installed package, or from a newer file of the bank. No file changes the rates that
operators enter themselves.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

from currency_converter import CURRENCY_FILE

from tracking.issues import IssueKind
from tracking.money import PIVOT_CURRENCY
from worker.issues import open_issue_once, resolve_issues
from worker.money.rate_file import JUMP_MAX, DatedRate, RateFileError, read_rates
from worker.runtime import Connection, log, resources

# No conversion is older than this day, so no older rate is needed.
FIRST_DAY = date(2020, 1, 1)
# A rate counts for so many days. When the newest one is older, commissions in other currencies wait.
STALE_DAYS = 7

# RACE: two loads at once, each in the order of its file, would wait for each other.
_LOCK = "select pg_advisory_xact_lock(hashtext('waypost.exchange-rates'))"
_CREATE = "create temporary table fresh_rates (quote text, rate_date date, rate numeric) on commit drop"
_COPY = "copy fresh_rates (quote, rate_date, rate) from stdin"
# A file that ends before the newest stored day may be older than a correction by the bank, so it only fills gaps.
_MERGE = (
    "insert into exchange_rates (origin, base, quote, rate_date, rate)"
    " select 'ecb', %(pivot)s, quote, rate_date, rate from fresh_rates"
    " on conflict (origin, base, quote, rate_date) do update set rate = excluded.rate"
    " where exchange_rates.rate <> excluded.rate and %(newest)s >="
    " (select max(rate_date) from exchange_rates where origin = 'ecb')"
    " returning xmax = 0"
)
_NEWEST = "select max(rate_date) from exchange_rates where origin = 'ecb'"
# The newest stored rates, to be compared with those of a file.
_LATEST = (
    "select distinct on (quote) quote, rate_date, rate from exchange_rates"
    " where origin = 'ecb' and rate_date > %s::date - 366 order by quote, rate_date desc"
)


class Loaded(NamedTuple):
    """What a file contained from FIRST_DAY on, and how many of its rates were added or corrected in the table."""

    days: int
    currencies: int
    oldest: date
    newest: date
    added: int
    corrected: int


def load_rates() -> None:
    """Task: load the rates that the table lacks from the file; open an issue when the newest rates are old.

    A file that cannot be read is logged and tried again at the next run.
    """
    used = resources.current()
    today = datetime.fromtimestamp(used.now_s(), UTC).date()
    path = used.rates_file or Path(CURRENCY_FILE)
    try:
        rates = read_rates(path, today)
        loaded = used.database.run(lambda connection: save_rates(connection, path, rates))
        used.tally.add(rates=loaded.added + loaded.corrected)
    except RateFileError as error:
        log("rates-unreadable", logging.ERROR, file=path, error=error.message)
        used.tally.add(rates_unreadable=1)
    used.database.run(lambda connection: check_age(connection, today))


def save_rates(connection: Connection, path: Path, rates: Sequence[DatedRate]) -> Loaded:
    """Store the rates of a file, oldest first, in one transaction; raises RateFileError if they cannot be right."""
    wanted = [rate for rate in rates if rate.day >= FIRST_DAY]
    if not wanted:
        raise RateFileError(f"{path.name} ends before {FIRST_DAY}; get a newer one from the European Central Bank")
    newest = wanted[-1].day
    with connection.transaction():
        connection.execute(_LOCK)
        _check_against_stored(connection, path, wanted)
        connection.execute(_CREATE)
        with connection.cursor().copy(_COPY) as copy:
            for currency, day, rate in wanted:
                copy.write_row((currency, day, rate))
        written = connection.execute(_MERGE, {"pivot": PIVOT_CURRENCY, "newest": newest}).fetchall()
    added = sum(is_new for (is_new,) in written)
    days, currencies = {rate.day for rate in wanted}, {rate.currency for rate in wanted}
    return Loaded(len(days), len(currencies), wanted[0].day, newest, added, len(written) - added)


def newest_day(connection: Connection) -> date | None:
    """Return the day of the bank's newest stored rates."""
    row = connection.execute(_NEWEST).fetchone()
    return None if row is None else row[0]


def check_age(connection: Connection, today: date) -> None:
    """Open one issue when the newest rates are older than STALE_DAYS; resolve it when newer ones are stored."""
    with connection.transaction():
        connection.execute(_LOCK)
        newest = newest_day(connection)
        subject_key = f"ecb:{newest or 'none'}"
        is_stale = newest is None or (today - newest).days > STALE_DAYS
        resolve_issues(connection, IssueKind.RATES_STALE, [subject_key] if is_stale else [], "newer rates are there")
        if is_stale:
            open_issue_once(
                connection,
                IssueKind.RATES_STALE,
                subject_key,
                f"The newest exchange rates are of {newest}" if newest else "There are no exchange rates",
                {
                    "newest": None if newest is None else newest.isoformat(),
                    "counts_for_days": STALE_DAYS,
                    "fix": "get eurofxref-hist.zip from the European Central Bank and load it with"
                    " `python -m worker rates FILE`; EXCHANGE_RATES_FILE loads a file again and again",
                },
            )


def _check_against_stored(connection: Connection, path: Path, rates: Sequence[DatedRate]) -> None:
    """Refuse a file whose newest rates are far from the newest stored ones, unless it corrects those days itself."""
    newest = {rate.currency: rate for rate in rates}
    covered = {(rate.currency, rate.day) for rate in rates}
    for currency, day, stored in connection.execute(_LATEST, [rates[-1].day]).fetchall():
        fresh = newest.get(currency)
        if fresh is None or (currency, day) in covered:
            continue
        if not stored / JUMP_MAX < fresh.rate < stored * JUMP_MAX:
            raise RateFileError(
                f"{path.name}: on {fresh.day} one euro is {fresh.rate} {currency}, and on {day} it was {stored};"
                " get eurofxref-hist.zip from the European Central Bank again"
            )
