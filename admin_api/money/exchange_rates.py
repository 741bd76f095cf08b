"""Exchange rates: the European Central Bank's as the worker loads them, and the operator's own, which come first."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, LiteralString

import falcon
from psycopg import sql
from psycopg.errors import UniqueViolation

from admin_api.http.old import (
    ConflictError,
    Field,
    Filter,
    NotFoundError,
    Values,
    choose,
    currency,
    day,
    decode_id,
    decode_list,
    decode_object,
    filters,
    parse_moment,
    text,
    validate_new,
    whole,
)
from admin_api.runtime import Database, Pool, Row
from tracking.money import PIVOT, Rate, RateOrigin, UsedRate, rate_finder
from tracking.runtime import FieldError

VALID_DAYS_MAX = 366
_RATE_MAX = Decimal(10) ** 12
_RATE_DIGITS = 20
FILTERS = (
    Filter("origin", filters.word(*RateOrigin), "origin = any(%(origin)s)"),
    Filter("base", filters.currency, "base = %(base)s"),
    Filter("quote", filters.currency, "quote = %(quote)s"),
    Filter("from", parse_moment, "rate_date >= %(from)s::date"),
    Filter("to", parse_moment, "rate_date < %(to)s::date"),
)
_QUESTION = (
    Filter("source", filters.currency, ""),
    Filter("target", filters.currency, ""),
    Filter("day", parse_moment, ""),
)
_COLUMNS: LiteralString = "rate_id, origin, base, quote, rate_date, rate::text as rate, valid_days, note, created_at"
_COUNTING = """
    select origin, base, quote, rate_date, rate, valid_days from exchange_rates
    where base = any(%(currencies)s) and quote = any(%(currencies)s)
        and rate_date between %(day)s::date - 366 and %(day)s and rate_date + valid_days >= %(day)s
"""


def _rate(value: Any, field: str) -> Decimal:
    """Accept a rate as text, since a JSON number may have been rounded on its way."""
    try:
        rate = Decimal(value) if isinstance(value, str) and len(value) <= _RATE_DIGITS else Decimal(0)
    except InvalidOperation:
        rate = Decimal(0)
    if not rate.is_finite() or not 0 < rate < _RATE_MAX:
        raise FieldError(field, f'{field} must be a decimal in quotes, such as "0.9213": what one of base is in quote')
    return rate


_FIELDS = (
    Field("base", currency),
    Field("quote", currency),
    Field("rate_date", day),
    Field("rate", _rate),
    Field("valid_days", whole(0, VALID_DAYS_MAX), default=7),
    Field("note", text(500), default=None, nullable=True),
)


class ExchangeRates:
    """All rates."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List rates by any of the filters."""
        chosen, after, limit = decode_list(req, FILTERS)
        query = sql.SQL("select {} from exchange_rates {} order by rate_id limit %(limit)s").format(
            sql.SQL(_COLUMNS), chosen.where(sql.SQL("rate_id > %(after)s"))
        )
        with self._pool.connection() as database:
            rows = database.execute(query, chosen.values | {"after": after, "limit": limit + 1}).fetchall()
        shown = rows[:limit]
        resp.media = {"items": shown, "next_cursor": str(shown[-1]["rate_id"]) if len(rows) > limit else None}

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Add a rate of the operator's own. What waited for it is booked within a minute."""
        values = validate_new(_FIELDS, decode_object(req))
        if values["base"] == values["quote"]:
            raise FieldError("quote", "quote must be another currency than base")
        with self._pool.connection() as database:
            resp.media = save_rate(database, values)
        resp.status = falcon.HTTP_CREATED
        resp.location = f"/v1/exchange-rates/{resp.media['rate_id']}"


class ExchangeRateItem:
    """One rate. A rate is never changed: delete an own one and add another; what was booked by it stays."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def on_get(self, req: falcon.Request, resp: falcon.Response, object_id: str) -> None:
        """Show it."""
        with self._pool.connection() as database:
            resp.media = _load(database, decode_id(object_id, "exchange rate"))

    def on_delete(self, req: falcon.Request, resp: falcon.Response, object_id: str) -> None:
        """Remove a rate of the operator's own."""
        number = decode_id(object_id, "exchange rate")
        with self._pool.connection() as database, database.transaction():
            if _load(database, number)["origin"] != RateOrigin.OPERATOR:
                raise ConflictError(
                    "only rates of your own can be deleted; add one of your own, which comes first", code="not-yours"
                )
            database.execute("delete from exchange_rates where rate_id = %s", [number])
        resp.status = falcon.HTTP_NO_CONTENT


class ExchangeRateLookup:
    """`GET /v1/exchange-rates/lookup?source=&target=&day=`: the rate that counts, and its date; `day` is today's."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Look it up as bookkeeping does."""
        given = choose(_QUESTION, req.params).values
        for name in ("source", "target"):
            if name not in given:
                raise FieldError(name, f"{name} is required: a currency such as EUR", code="missing-field")
        wanted = given.get("day", datetime.now(UTC)).date()
        with self._pool.connection() as database:
            found = find_stored_rate(database, given["source"], given["target"], wanted)
        if found is None:
            raise NotFoundError(
                f"no rate from {given['source']} to {given['target']} counts on {wanted}; add one of your own",
                code="rate-missing",
            )
        pair = {"source": given["source"], "target": given["target"], "day": wanted}
        resp.media = pair | {"rate": f"{found.rate:f}", "rate_date": found.rate_date}


def find_stored_rate(database: Database, source: str, target: str, wanted: date) -> UsedRate | None:
    """Return the rate that counts on a day, or None."""
    rows = database.execute(_COUNTING, {"currencies": [source, target, PIVOT], "day": wanted}).fetchall()
    return rate_finder(Rate(**row | {"origin": RateOrigin(row["origin"])}) for row in rows)(source, target, wanted)


def save_rate(database: Database, values: Values) -> Row:
    """Store an operator's rate and return it. Raises ConflictError for a second one of the same day."""
    query = sql.SQL("insert into exchange_rates (origin, {}) values ('operator', {}) returning {}").format(
        sql.SQL(", ").join(map(sql.Identifier, values)),
        sql.SQL(", ").join(map(sql.Placeholder, values)),
        sql.SQL(_COLUMNS),
    )
    try:
        row = database.execute(query, values).fetchone()
    except UniqueViolation as error:
        raise ConflictError(
            "there is a rate of yours for these currencies and this day; delete it first", code="rate-taken"
        ) from error
    assert row is not None
    return row


def _load(database: Database, number: int) -> Row:
    query = sql.SQL("select {} from exchange_rates where rate_id = %s").format(sql.SQL(_COLUMNS))
    row = database.execute(query, [number]).fetchone()
    if row is None:
        raise NotFoundError(f"there is no exchange rate {number}")
    return row
