"""Conversions as they are listed and filtered, with what each earns and why not more."""

from __future__ import annotations

from typing import Any, LiteralString

from psycopg import sql

from admin_api.http.old import Chosen, Filter, NotFoundError, Place, filters, parse_moment
from admin_api.runtime import Database, Row
from tracking.conversions import ConversionStatus, PostbackReason
from tracking.money import format_amount

_EVENT = filters.matching("[a-z][a-z0-9_]{0,39}", "the word of an event type, such as ftd")
FILTERS = (
    Filter("status", filters.word(*ConversionStatus), "c.status = any(%(status)s)"),
    Filter("reason", filters.word(*PostbackReason), "c.reason = any(%(reason)s)"),
    Filter("event", _EVENT, "c.event = %(event)s"),
    Filter("merchant_id", filters.number, "c.merchant_id = %(merchant_id)s"),
    Filter("link_id", filters.number, "c.link_id = %(link_id)s"),
    Filter("source_id", filters.number, "coalesce(b.source_id, l.source_id) = %(source_id)s"),
    Filter("plan_id", filters.number, "b.plan_id = %(plan_id)s"),
    Filter("click_id", filters.uuid, "c.click_id = %(click_id)s"),
    Filter("order_id", filters.matching(".{1,200}", "an order id, as it was sent"), "c.order_id = %(order_id)s"),
    Filter("currency", filters.currency, "c.currency = %(currency)s"),
    Filter("country", filters.matching("[A-Z]{2}", "a two-letter country code such as DE"), "c.country = %(country)s"),
    Filter("authenticated", filters.flag, "c.authenticated = %(authenticated)s"),
    Filter("postponed", filters.flag, "coalesce(b.postponed, false) = %(postponed)s"),
    Filter("from", parse_moment, "c.received_at >= %(from)s"),
    Filter("to", parse_moment, "c.received_at < %(to)s"),
)
COLUMNS: LiteralString = (
    "c.conversion_id, c.click_id, c.merchant_id, c.link_id, coalesce(b.source_id, l.source_id) as source_id, c.event,"
    " c.order_id, c.status, c.reason, c.payout_minor, c.currency, c.country, c.authenticated, c.clicked_at,"
    " c.received_at, c.updated_at, b.commission, b.commission_minor, b.currency as commission_currency,"
    " b.reasons as commission_reasons, b.plan_id, b.plan_rung, b.original_minor, b.original_currency,"
    " b.rate::text as rate, b.rate_date, b.postponed, b.payable_at, b.booked_at"
)
TABLES: LiteralString = (
    "conversions c left join bookings b on b.conversion_id = c.conversion_id left join links l on l.link_id = c.link_id"
)
_CHANGES = """
    select change_id, changed_at, cause, actor, note, postback_id, from_status, to_status, from_payout_minor,
        to_payout_minor, from_currency, to_currency, reason, booked_at
    from conversion_changes where conversion_id = %s order by change_id
"""
_ENTRIES = """
    select entry_id, party, kind, amount_minor, currency, note, actor, payout_id, locked, change_id, created_at
    from entries where conversion_id = %s order by entry_id
"""


def load_conversions(database: Database, chosen: Chosen, place: Place | None, limit: int) -> list[Row]:
    """Return up to `limit` conversions, the newest first, of those after a place of the list."""
    more = []
    if place is not None:
        more.append(sql.SQL("(c.received_at, c.conversion_id) < (%(at)s, %(after)s)"))
    query = sql.SQL("select {} from {} {} order by c.received_at desc, c.conversion_id desc limit %(limit)s").format(
        sql.SQL(COLUMNS), sql.SQL(TABLES), chosen.where(*more)
    )
    values = chosen.values | {"limit": limit}
    if place is not None:
        values |= {"at": place.at, "after": place.row_id}
    # Planned with its values: which index is best depends on the filters.
    return database.execute(query, values, prepare=False).fetchall()


def load_conversion(database: Database, conversion_id: object) -> Row:
    """Return a conversion with its changes and entries, or raise NotFoundError."""
    query = sql.SQL("select {} from {} where c.conversion_id = %s").format(sql.SQL(COLUMNS), sql.SQL(TABLES))
    with database.transaction():
        database.execute("set transaction isolation level repeatable read, read only")
        row = database.execute(query, [conversion_id]).fetchone()
        if row is None:
            raise NotFoundError(f"there is no conversion {conversion_id}")
        changes = database.execute(_CHANGES, [conversion_id]).fetchall()
        entries = database.execute(_ENTRIES, [conversion_id]).fetchall()
    return present_conversion(row) | {"changes": changes, "entries": entries}


def present_conversion(row: Row) -> dict[str, Any]:
    """Return a conversion as it is shown, its amounts in major units too; null commission is not booked yet."""
    return row | {
        "payout": _major(row["payout_minor"], row["currency"]),
        "commission_amount": _major(row["commission_minor"], row["commission_currency"]),
    }


def _major(amount_minor: int | None, currency: str | None) -> str | None:
    return None if amount_minor is None or currency is None else format_amount(amount_minor, currency)
