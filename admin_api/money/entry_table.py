"""SQL of entries: listed by filters, an operator's own, and balances, which are sums of entries."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, LiteralString
from uuid import UUID

from psycopg import sql
from psycopg.errors import ForeignKeyViolation
from pydantic import Field

from admin_api.http import AnyOf, Chosen, Condition, CurrencyCode, Filter, Flag, Moment, Number, Values
from admin_api.resources import insert_row
from admin_api.runtime import Database, Row
from config.tables import entries
from tracking.money import EntryKind, Party
from tracking.runtime import FieldError

# What a merchant owes does not say when a source is paid.
_BALANCES: LiteralString = """
    select party, case party when 'merchant' then merchant_id end as merchant_id,
        case party when 'source' then source_id end as source_id, currency,
        sum(amount_minor) as balance_minor, count(*) as entries,
        coalesce(sum(amount_minor) filter (where party = 'source' and payout_id is null
            and payable_at > now()), 0) as held_minor,
        coalesce(sum(amount_minor) filter (where payout_id is not null and not locked), 0)
            as in_payouts_minor,
        coalesce(-sum(amount_minor) filter (where kind = 'payout'), 0) as paid_minor
    from entries {} group by 1, 2, 3, 4 order by 1, 2, 3, 4
"""
_REFERENCES = {
    "entries_merchant_id_fkey": "merchant_id",
    "entries_source_id_fkey": "source_id",
    "entries_conversion_id_fkey": "conversion_id",
}


class BalanceFilter(Filter):
    """The accounts to find. All given filters must hold."""

    party: Annotated[AnyOf[Party] | None, Condition("party = any(%(party)s)")] = None
    """`merchant` for what merchants owe you, `source` for what you owe sources."""
    merchant_id: Annotated[Number | None, Condition("merchant_id = %(merchant_id)s")] = None
    """Entries that name this merchant, including those in the accounts of sources."""
    source_id: Annotated[Number | None, Condition("source_id = %(source_id)s")] = None
    """Entries that name this source, including those in the accounts of merchants."""
    currency: Annotated[CurrencyCode | None, Condition("currency = %(currency)s")] = None
    """The currency of the account."""


class EntryFilter(BalanceFilter):
    """The entries to find. All given filters must hold."""

    kind: Annotated[AnyOf[EntryKind] | None, Condition("kind = any(%(kind)s)")] = None
    """The kind is any of these."""
    conversion_id: Annotated[UUID | None, Condition("conversion_id = %(conversion_id)s")] = None
    """The conversion for which they were booked."""
    payout_id: Annotated[Number | None, Condition("payout_id = %(payout_id)s")] = None
    """The payout that pays them."""
    locked: Annotated[Flag | None, Condition("locked = %(locked)s")] = None
    """Whether they were paid."""
    begins_at: Annotated[Moment | None, Condition("created_at >= %(from)s"), Field(alias="from")] = None
    """Made at this moment or later; a day stands for its beginning."""
    ends_at: Annotated[Moment | None, Condition("created_at < %(to)s"), Field(alias="to")] = None
    """Made before this moment; a day stands for its beginning."""


def load_entries(database: Database, chosen: Chosen, after: int, limit: int) -> list[Row]:
    """Return up to `limit` entries with ids above `after`, in order. The query is planned with its values."""
    query, values = entries_query(chosen, after, limit)
    return database.execute(query, values, prepare=False).fetchall()


def entries_query(chosen: Chosen, after: int, limit: int) -> tuple[sql.Composed, dict[str, Any]]:
    """Return the query of a page and its values."""
    query = sql.SQL("select {} from entries {} order by entry_id limit %(limit)s").format(
        sql.SQL(entries.SHOWN), chosen.where(sql.SQL("entry_id > %(after)s"))
    )
    return query, {**chosen.values, "after": after, "limit": limit}


def load_conversion_entries(database: Database, conversion_id: UUID) -> list[Row]:
    """Return all entries of a conversion, in order."""
    query = sql.SQL("select {} from entries where conversion_id = %s order by entry_id").format(sql.SQL(entries.SHOWN))
    return database.execute(query, [conversion_id]).fetchall()


def load_balances(database: Database, chosen: Chosen) -> list[Row]:
    """Return the balance of each account in each currency."""
    return database.execute(sql.SQL(_BALANCES).format(chosen.where()), chosen.values, prepare=False).fetchall()


def save_adjustment(database: Database, values: Values, actor: str) -> Row:
    """Append an operator's entry and return it. Raises FieldError for a missing owner or an unknown object."""
    of_source = values["party"] == Party.SOURCE
    owner = "source_id" if of_source else "merchant_id"
    if values[owner] is None:
        raise FieldError(owner, f"{owner} is required where party is {values['party']}", code="missing-field")
    row = values | {
        "kind": EntryKind.ADJUSTMENT.value,
        "actor": actor,
        "payout_schedule": values["payout_schedule"] if of_source else None,
        "payable_at": datetime.now(UTC) if of_source else None,
    }
    try:
        return insert_row(database, "entries", row, entries.SHOWN)
    except ForeignKeyViolation as error:
        field = _REFERENCES.get(error.diag.constraint_name or "")
        if field is None:
            raise
        raise FieldError(field, f"{field} names nothing that exists") from error
