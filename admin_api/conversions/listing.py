"""Conversions as they are listed and filtered, with what each earns and why it earns no more."""

from __future__ import annotations

from typing import Annotated, Any, LiteralString
from uuid import UUID

from psycopg import sql
from pydantic import Field, WithJsonSchema

from admin_api.http import (
    AnyOf,
    Chosen,
    Condition,
    CountryCode,
    CurrencyCode,
    EventName,
    Filter,
    Flag,
    Moment,
    NotFoundError,
    Number,
    Place,
    checked,
    refuse_control,
)
from admin_api.runtime import Database, Row
from tracking.conversions import ConversionStatus, PostbackReason
from tracking.money import format_amount

ORDER_CHARACTERS_MAX = 200
OrderId = Annotated[
    str,
    Field(min_length=1, max_length=ORDER_CHARACTERS_MAX),
    checked(refuse_control),
    WithJsonSchema(
        {"type": "string", "minLength": 1, "maxLength": ORDER_CHARACTERS_MAX, "pattern": r"^[^\x00-\x1f\x7f]*$"}
    ),
]


class ConversionFilter(Filter):
    """The conversions to find. All given filters must hold."""

    status: Annotated[AnyOf[ConversionStatus] | None, Condition("c.status = any(%(status)s)")] = None
    """The status is any of these."""
    reason: Annotated[AnyOf[PostbackReason] | None, Condition("c.reason = any(%(reason)s)")] = None
    """The reason of the status is any of these."""
    event: Annotated[EventName | None, Condition("c.event = %(event)s")] = None
    """The event type."""
    merchant_id: Annotated[Number | None, Condition("c.merchant_id = %(merchant_id)s")] = None
    """The merchant that reported it."""
    link_id: Annotated[Number | None, Condition("c.link_id = %(link_id)s")] = None
    """The link that was clicked."""
    source_id: Annotated[Number | None, Condition("coalesce(b.source_id, l.source_id) = %(source_id)s")] = None
    """The source that earns by it. While it is not booked, this is the link's source."""
    plan_id: Annotated[Number | None, Condition("b.plan_id = %(plan_id)s")] = None
    """The commission plan that it was booked under."""
    click_id: Annotated[UUID | None, Condition("c.click_id = %(click_id)s")] = None
    """The click."""
    order_id: Annotated[OrderId | None, Condition("c.order_id = %(order_id)s")] = None
    """The order id, exactly as the merchant sent it."""
    currency: Annotated[CurrencyCode | None, Condition("c.currency = %(currency)s")] = None
    """The currency that the merchant reported."""
    country: Annotated[CountryCode | None, Condition("c.country = %(country)s")] = None
    """The country of the click's address."""
    authenticated: Annotated[Flag | None, Condition("c.authenticated = %(authenticated)s")] = None
    """Whether the merchant proved who it is."""
    # This is written so that `true` is a condition on bookings, whose index holds those that wait.
    postponed: Annotated[
        Flag | None,
        Condition("(b.postponed or not %(postponed)s) and (%(postponed)s or not coalesce(b.postponed, false))"),
    ] = None
    """Whether it waits for an exchange rate."""
    begins_at: Annotated[Moment | None, Condition("c.received_at >= %(from)s"), Field(alias="from")] = None
    """Received at this moment or later; a day stands for its beginning."""
    ends_at: Annotated[Moment | None, Condition("c.received_at < %(to)s"), Field(alias="to")] = None
    """Received before this moment; a day stands for its beginning."""


TABLES: LiteralString = (
    "conversions c left join bookings b on b.conversion_id = c.conversion_id left join links l on l.link_id = c.link_id"
)
_COLUMNS: LiteralString = (
    "c.conversion_id, c.click_id, c.merchant_id, c.link_id, coalesce(b.source_id, l.source_id) as source_id, c.event,"
    " c.order_id, c.status, c.reason, c.payout_minor, c.currency, c.country, c.authenticated, c.clicked_at,"
    " c.received_at, c.updated_at, b.commission, b.commission_minor, b.currency as commission_currency,"
    " b.reasons as commission_reasons, b.plan_id, b.plan_rung, b.original_minor, b.original_currency,"
    " b.rate::text as rate, b.rate_date, b.rate_age_days, b.postponed, b.payable_at, b.booked_at"
)
CHANGE_COLUMNS: LiteralString = (
    "change_id, changed_at, cause, actor, note, postback_id, from_status, to_status, from_payout_minor,"
    " to_payout_minor, from_currency, to_currency, reason, booked_at"
)
_CHANGES: LiteralString = f"select {CHANGE_COLUMNS} from conversion_changes where conversion_id = %s order by change_id"  # noqa: S608


def load_conversions(database: Database, chosen: Chosen, place: Place | None, limit: int) -> list[Row]:
    """Return up to `limit` conversions after a place of the list, the newest first.

    The query is planned with its values, since the best index depends on the filters.
    """
    query, values = conversions_query(chosen, place, limit)
    return [_with_amounts(row) for row in database.execute(query, values, prepare=False).fetchall()]


def conversions_query(chosen: Chosen, place: Place | None, limit: int) -> tuple[sql.Composed, dict[str, Any]]:
    """Return the query of a page and its values."""
    values: dict[str, Any] = {**chosen.values, "limit": limit}
    more = []
    if place is not None:
        values |= {"at": place.at, "after": place.row_id}
        more.append(sql.SQL("(c.received_at, c.conversion_id) < (%(at)s, %(after)s)"))
    query = sql.SQL("select {} from {} {} order by c.received_at desc, c.conversion_id desc limit %(limit)s")
    return query.format(sql.SQL(_COLUMNS), sql.SQL(TABLES), chosen.where(*more)), values


def load_conversion(database: Database, conversion_id: UUID) -> Row:
    """Return a conversion, or raise NotFoundError."""
    query = sql.SQL("select {} from {} where c.conversion_id = %s").format(sql.SQL(_COLUMNS), sql.SQL(TABLES))
    row = database.execute(query, [conversion_id]).fetchone()
    if row is None:
        raise NotFoundError(f"there is no conversion {conversion_id}")
    return _with_amounts(row)


def load_revision(database: Database, conversion_id: UUID) -> int:
    """Return the revision of a conversion: the number of its last change, which a trigger wrote."""
    row = database.execute(
        "select coalesce(max(change_id), 1) as revision from conversion_changes where conversion_id = %s",
        [conversion_id],
    ).fetchone()
    assert row is not None
    return int(row["revision"])


def load_changes(database: Database, conversion_id: UUID) -> list[Row]:
    """Return all changes of a conversion, the oldest first."""
    return database.execute(_CHANGES, [conversion_id]).fetchall()


def _with_amounts(row: Row) -> dict[str, Any]:
    """Return the conversion of a row, with its amounts in major units too."""
    return row | {
        "payout": _major(row["payout_minor"], row["currency"]),
        "commission_amount": _major(row["commission_minor"], row["commission_currency"]),
    }


def _major(amount_minor: int | None, currency: str | None) -> str | None:
    return None if amount_minor is None or currency is None else format_amount(amount_minor, currency)
