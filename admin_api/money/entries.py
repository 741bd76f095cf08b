"""The ledger of money: entries, an operator's own corrections, and balances, which are sums of entries."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, LiteralString

import falcon
from psycopg import sql
from psycopg.errors import ForeignKeyViolation

from admin_api.http.old import (
    Chosen,
    Field,
    Filter,
    Values,
    actor_of,
    choice,
    choose,
    currency,
    decode_list,
    decode_object,
    filters,
    object_id,
    parse_moment,
    text,
    validate_new,
)
from admin_api.runtime import Database, Pool, Row
from tracking.money import AMOUNT_MINOR_MAX, EntryKind, Party, PayoutSchedule, format_amount
from tracking.runtime import FieldError

NOTE_CHARACTERS = 500
_WHOSE = (
    Filter("party", filters.word(*Party), "e.party = any(%(party)s)"),
    Filter("merchant_id", filters.number, "e.merchant_id = %(merchant_id)s"),
    Filter("source_id", filters.number, "e.source_id = %(source_id)s"),
    Filter("currency", filters.currency, "e.currency = %(currency)s"),
)
FILTERS = (
    *_WHOSE,
    Filter("kind", filters.word(*EntryKind), "e.kind = any(%(kind)s)"),
    Filter("conversion_id", filters.uuid, "e.conversion_id = %(conversion_id)s"),
    Filter("payout_id", filters.number, "e.payout_id = %(payout_id)s"),
    Filter("locked", filters.flag, "e.locked = %(locked)s"),
    Filter("from", parse_moment, "e.created_at >= %(from)s"),
    Filter("to", parse_moment, "e.created_at < %(to)s"),
)
_COLUMNS: LiteralString = (
    "e.entry_id, e.party, e.kind, e.conversion_id, e.merchant_id, e.source_id, e.amount_minor, e.currency,"
    " e.original_minor, e.original_currency, e.rate::text as rate, e.rate_date, e.plan_id, e.change_id, e.actor,"
    " e.note, e.payout_schedule, e.payable_at, e.payout_id, e.locked, e.created_at"
)
# What a merchant owes says nothing of when a source is paid.
_BALANCES: LiteralString = """
    select e.party, case e.party when 'merchant' then e.merchant_id end as merchant_id,
        case e.party when 'source' then e.source_id end as source_id, e.currency,
        sum(e.amount_minor)::bigint as balance_minor, count(*) as entries,
        coalesce(sum(e.amount_minor) filter (where e.party = 'source' and e.payout_id is null
            and e.payable_at > now()), 0)::bigint as held_minor,
        coalesce(sum(e.amount_minor) filter (where e.payout_id is not null and not e.locked), 0)::bigint
            as in_payouts_minor,
        coalesce(-sum(e.amount_minor) filter (where e.kind = 'payout'), 0)::bigint as paid_minor
    from entries e {} group by 1, 2, 3, 4 order by 1, 2, 3, 4
"""


def _amount(value: Any, field: str) -> int:
    if type(value) is not int or value == 0 or abs(value) > AMOUNT_MINOR_MAX:
        raise FieldError(field, f"{field} must be a whole number of minor units other than 0; negative takes away")
    return value


def _uuid(value: Any, field: str) -> Any:
    if not isinstance(value, str):
        raise FieldError(field, f"{field} must be a UUID in double quotes")
    return filters.uuid(value, field)


_ADJUSTMENT = (
    Field("party", choice(*Party)),
    Field("merchant_id", object_id, default=None, nullable=True),
    Field("source_id", object_id, default=None, nullable=True),
    Field("amount_minor", _amount),
    Field("currency", currency),
    Field("note", text(NOTE_CHARACTERS)),
    Field("conversion_id", _uuid, default=None, nullable=True),
    Field("payout_schedule", choice(*PayoutSchedule), default=PayoutSchedule.MONTHLY.value),
)
_NOTHING = {
    "entries_merchant_id_fkey": "merchant_id",
    "entries_source_id_fkey": "source_id",
    "entries_conversion_id_fkey": "conversion_id",
}


class Entries:
    """The ledger. Entries are only ever added."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List entries by any of the filters, in the order in which they were made."""
        chosen, after, limit = decode_list(req, FILTERS)
        with self._pool.connection() as database:
            rows = load_entries(database, chosen, after, limit + 1)
        shown = rows[:limit]
        resp.media = {
            "items": [present_entry(row) for row in shown],
            "next_cursor": str(shown[-1]["entry_id"]) if len(rows) > limit else None,
        }

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Add an adjustment to the account of a merchant or a source, with a note that says why."""
        values = validate_new(_ADJUSTMENT, decode_object(req))
        with self._pool.connection() as database:
            row = save_adjustment(database, values, actor_of(req))
        resp.media = present_entry(row)
        resp.status = falcon.HTTP_CREATED
        resp.location = f"/v1/entries?conversion_id={row['conversion_id']}" if row["conversion_id"] else "/v1/entries"


class Balances:
    """What each merchant owes and each source is owed, by currency: never added up across currencies."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Sum."""
        chosen = choose(_WHOSE, req.params)
        with self._pool.connection() as database:
            rows = database.execute(sql.SQL(_BALANCES).format(chosen.where()), chosen.values).fetchall()
        resp.media = {
            "items": [row | {"balance": format_amount(row["balance_minor"], row["currency"])} for row in rows],
            "next_cursor": None,
        }


def load_entries(database: Database, chosen: Chosen, after: int, limit: int) -> list[Row]:
    """Return up to `limit` entries with ids above `after`, in order."""
    query = sql.SQL("select {} from entries e {} order by e.entry_id limit %(limit)s").format(
        sql.SQL(_COLUMNS), chosen.where(sql.SQL("e.entry_id > %(after)s"))
    )
    return database.execute(query, chosen.values | {"after": after, "limit": limit}, prepare=False).fetchall()


def save_adjustment(database: Database, values: Values, actor: str) -> Row:
    """Append an operator's entry and return it. Raises FieldError for one that is of nobody or of nothing."""
    of = "merchant_id" if values["party"] == Party.MERCHANT else "source_id"
    if values[of] is None:
        raise FieldError(of, f"{of} is required where party is {values['party']}", code="missing-field")
    of_source = values["party"] == Party.SOURCE
    row = values | {
        "kind": EntryKind.ADJUSTMENT.value,
        "actor": actor,
        "payout_schedule": values["payout_schedule"] if of_source else None,
        "payable_at": datetime.now(UTC) if of_source else None,
    }
    query = sql.SQL("insert into entries as e ({}) values ({}) returning {}").format(
        sql.SQL(", ").join(map(sql.Identifier, row)),
        sql.SQL(", ").join(map(sql.Placeholder, row)),
        sql.SQL(_COLUMNS),
    )
    try:
        made = database.execute(query, row).fetchone()
    except ForeignKeyViolation as error:
        field = _NOTHING.get(error.diag.constraint_name or "")
        if field is None:
            raise
        raise FieldError(field, f"{field} names nothing that exists") from error
    assert made is not None
    return made


def present_entry(row: Row) -> Row:
    """Return an entry as it is shown, its amount in major units too."""
    return row | {"amount": format_amount(row["amount_minor"], row["currency"])}
