"""SQL of exchange rates: listed by filters, an operator's own, and the one that counts on a day."""

from __future__ import annotations

from datetime import date
from typing import Annotated, LiteralString

from psycopg import sql
from psycopg.errors import UniqueViolation
from pydantic import Field

from admin_api.http import (
    ONLY_REVISION,
    AnyOf,
    Chosen,
    Condition,
    ConflictError,
    CurrencyCode,
    Filter,
    Moment,
    NotFoundError,
    Revisions,
    Values,
    require_revision,
)
from admin_api.resources import insert_row
from admin_api.runtime import Database, Row
from config.tables import exchange_rates
from tracking.money import PIVOT_CURRENCY, AppliedRate, Rate, RateOrigin, rate_finder

_COLUMNS: LiteralString = "rate_id, origin, base, quote, rate_date, rate::text as rate, valid_days, note, created_at"


class ExchangeRateFilter(Filter):
    """The rates to find. All given filters must hold."""

    origin: Annotated[AnyOf[RateOrigin] | None, Condition("origin = any(%(origin)s)")] = None
    """`ecb` for the European Central Bank's, `operator` for your own."""
    base: Annotated[CurrencyCode | None, Condition("base = %(base)s")] = None
    """The currency that the rate is of."""
    quote: Annotated[CurrencyCode | None, Condition("quote = %(quote)s")] = None
    """The currency that the rate is in."""
    begins_at: Annotated[Moment | None, Condition("rate_date >= %(from)s::date"), Field(alias="from")] = None
    """The rate's day is this day or later."""
    ends_at: Annotated[Moment | None, Condition("rate_date < %(to)s::date"), Field(alias="to")] = None
    """The rate's day is earlier than this day."""


def load_rates(database: Database, chosen: Chosen, after: int, limit: int) -> list[Row]:
    """Return up to `limit` rates with ids above `after`, in order."""
    query = sql.SQL("select {} from exchange_rates {} order by rate_id limit %(limit)s").format(
        sql.SQL(_COLUMNS), chosen.where(sql.SQL("rate_id > %(after)s"))
    )
    return database.execute(query, chosen.values | {"after": after, "limit": limit}, prepare=False).fetchall()


def load_rate(database: Database, rate_id: int) -> Row:
    """Return a rate, or raise NotFoundError."""
    query = sql.SQL("select {} from exchange_rates where rate_id = %s").format(sql.SQL(_COLUMNS))
    row = database.execute(query, [rate_id]).fetchone()
    if row is None:
        raise NotFoundError(f"there is no exchange rate {rate_id}")
    return row


def save_rate(database: Database, values: Values) -> Row:
    """Store an operator's rate and return it. Raises ConflictError if there is one for that day already."""
    try:
        return insert_row(database, "exchange_rates", values | {"origin": RateOrigin.OPERATOR.value}, _COLUMNS)
    except UniqueViolation as error:
        raise ConflictError(
            "there is a rate of yours for these currencies and this day; delete it first", code="rate-taken"
        ) from error


def delete_rate(database: Database, rate_id: int, allowed: Revisions) -> None:
    """Delete an operator's rate. Raises NotFoundError, RevisionError, or ConflictError for a rate of the bank."""
    with database.transaction():
        rate = load_rate(database, rate_id)
        require_revision(ONLY_REVISION, allowed, "exchange rate")
        if rate["origin"] != RateOrigin.OPERATOR:
            raise ConflictError(
                "only rates of your own can be deleted; add one of your own, which comes first", code="not-yours"
            )
        database.execute("delete from exchange_rates where rate_id = %s", [rate_id])


def find_stored_rate(database: Database, source: str, target: str, day: date) -> AppliedRate | None:
    """Return the rate that counts on a day, or None."""
    rows = []
    if source != target:
        rows = database.execute(
            exchange_rates.COUNTING, {"currencies": [source, target, PIVOT_CURRENCY], "day": day}
        ).fetchall()
    return rate_finder(Rate(**row | {"origin": RateOrigin(row["origin"])}) for row in rows)(source, target, day)
