"""Exchange rates: the European Central Bank's as the worker loads them, and the operator's own, which come first."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated

import falcon
from pydantic import Field, WithJsonSchema

from admin_api.http import (
    ONLY_REVISION,
    Body,
    Currency,
    CurrencyCode,
    Day,
    Moment,
    NotFoundError,
    NumberedPageQuery,
    Page,
    Query,
    Revisions,
    Shown,
    Text,
    checked,
    operation,
    page_of,
)
from admin_api.money.exchange_rate_table import (
    ExchangeRateFilter,
    delete_rate,
    find_stored_rate,
    load_rate,
    load_rates,
    save_rate,
)
from admin_api.runtime import Pool
from tracking.money import RateOrigin
from tracking.runtime import FieldError

VALID_DAYS_MAX = 366
DAY_SCHEMA = WithJsonSchema({"type": "string", "format": "date", "pattern": "^(19[7-9][0-9]|[2-8][0-9]{3})-"})
# Plain digits only: other text that Decimal reads (1_0, 1E-999999) is a typing error, or more than PostgreSQL keeps.
_DECIMAL = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,18})?")
_RATE_PATTERN = r"^(?=[0-9.]*[1-9])[0-9]{1,12}(?:\.[0-9]{1,18})?$"


def _check_rate(value: str, field: str) -> str:
    if not _DECIMAL.fullmatch(value) or Decimal(value) == 0:
        raise FieldError(
            field,
            f'{field} must be a decimal in quotes, such as "0.9213": what one of base is in quote, with up to 12 digits'
            " before the point and 18 after it",
        )
    return value


# A rate is text, since a JSON number may have been rounded on the way.
DecimalRate = Annotated[str, checked(_check_rate), WithJsonSchema({"type": "string", "pattern": _RATE_PATTERN})]


class NewExchangeRate(Body):
    """Your own rate. It comes before the bank's."""

    base: Currency
    """The currency that is converted."""
    quote: Currency
    """The currency that it is converted into."""
    rate_date: Day
    """The first day on which it counts."""
    rate: DecimalRate
    """The value of one unit of `base` in `quote`, as text."""
    valid_days: Annotated[int, Field(ge=0, le=VALID_DAYS_MAX)] = 7
    """The number of later days on which it also counts."""
    note: Annotated[str, Text(500)] | None = None
    """A note that only operators see."""


class ExchangeRate(Shown):
    """The value of one unit of a currency in another, from a day on."""

    rate_id: int
    origin: RateOrigin
    base: str
    quote: str
    rate_date: date
    rate: str
    valid_days: int
    note: str | None
    created_at: datetime


class RatesQuery(ExchangeRateFilter, NumberedPageQuery):
    """The filters of the list and the place of a page."""


class RateQuery(Query):
    """Two currencies and a day."""

    source: CurrencyCode
    """The currency that is converted."""
    target: CurrencyCode
    """The currency that it is converted into."""
    day: Annotated[Moment, DAY_SCHEMA] | None = None
    """The day of the conversion, in UTC; today, if it is left out."""


class CountingRate(Shown):
    """The rate between two currencies that counts on a day."""

    source: str
    target: str
    day: date
    rate: str
    """The value of one unit of `source` in `target`."""
    rate_date: date
    """The day of the rate. A rate across the euro has the older of its two days."""
    rate_age_days: int
    """How many days older the rate is than `day`."""


class ExchangeRates:
    """All rates."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("List exchange rates")
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: RatesQuery) -> Page[ExchangeRate]:
        """The rates are in the order in which they were stored."""
        with self._pool.connection() as database:
            rows = load_rates(database, query.chosen(), query.after, query.limit + 1)
        return page_of(Page[ExchangeRate], rows, query.limit, ExchangeRate.of, lambda row: str(row["rate_id"]))

    @operation("Add an exchange rate", statuses=(HTTPStatus.CREATED,), versioned=True, conflicts=("rate-taken",))
    def on_post(self, req: falcon.Request, resp: falcon.Response, body: NewExchangeRate) -> ExchangeRate:
        """Add a rate of your own. Conversions that waited for it are booked within a minute."""
        if body.base == body.quote:
            raise FieldError("quote", "quote must be another currency than base")
        with self._pool.connection() as database:
            row = save_rate(database, body.values())
        resp.location = f"/v1/exchange-rates/{row['rate_id']}"
        resp.etag = str(ONLY_REVISION)
        return ExchangeRate.of(row)


class ExchangeRateItem:
    """One rate. Rates never change: delete your own and add another. What was booked with it stays as it was booked."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Show an exchange rate", versioned=True)
    def on_get(self, req: falcon.Request, resp: falcon.Response, rate_id: int) -> ExchangeRate:
        """A rate of the bank, or one of your own."""
        with self._pool.connection() as database:
            row = load_rate(database, rate_id)
        resp.etag = str(ONLY_REVISION)
        return ExchangeRate.of(row)

    @operation("Delete an exchange rate", statuses=(HTTPStatus.NO_CONTENT,), conflicts=("not-yours",))
    def on_delete(self, req: falcon.Request, resp: falcon.Response, rate_id: int, allowed: Revisions) -> None:
        """You can only delete a rate of your own. What was booked with it stays as it was booked."""
        with self._pool.connection() as database:
            delete_rate(database, rate_id, allowed)


class ExchangeRateLookup:
    """The rate that counts on a day."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Look up an exchange rate", not_found=("rate-missing",))
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: RateQuery) -> CountingRate:
        """Looks up the rate as bookkeeping does: your own first, then the bank's, across the euro if needed."""
        day = (query.day or datetime.now(UTC)).date()
        with self._pool.connection() as database:
            found = find_stored_rate(database, query.source, query.target, day)
        if found is None:
            raise NotFoundError(
                f"no rate from {query.source} to {query.target} counts on {day}; add one of your own",
                code="rate-missing",
            )
        return CountingRate(
            source=query.source,
            target=query.target,
            day=day,
            rate=f"{found.rate:f}",
            rate_date=found.rate_date,
            rate_age_days=(day - found.rate_date).days,
        )
