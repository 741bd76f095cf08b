"""The ledger of money: entries, an operator's own corrections, and balances, which are sums of entries."""

from __future__ import annotations

from datetime import date, datetime
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

import falcon
from pydantic import WithJsonSchema

from admin_api.http import (
    Body,
    Currency,
    NumberedPageQuery,
    ObjectId,
    Page,
    Shown,
    Text,
    actor_of,
    checked,
    operation,
    page_of,
)
from admin_api.money.entry_table import (
    BalanceFilter,
    EntryFilter,
    load_balances,
    load_conversion_entries,
    load_entries,
    save_adjustment,
)
from admin_api.runtime import Database, Pool, Row
from tracking.money import AMOUNT_MINOR_MAX, EntryKind, Party, PayoutSchedule, format_amount
from tracking.runtime import FieldError

NOTE_CHARACTERS = 500


def _check_difference(value: int, field: str) -> int:
    if value == 0 or abs(value) > AMOUNT_MINOR_MAX:
        raise FieldError(field, f"{field} must be a whole number of minor units other than 0; negative takes away")
    return value


# An amount in minor units that is added to an account or taken away from it.
DifferenceMinor = Annotated[
    int,
    checked(_check_difference),
    WithJsonSchema({"type": "integer", "minimum": -AMOUNT_MINOR_MAX, "maximum": AMOUNT_MINOR_MAX, "not": {"const": 0}}),
]


class NewAdjustment(Body):
    """An operator's own entry in the account of a merchant or a source."""

    party: Party
    """Whether the account belongs to a merchant or to a source."""
    merchant_id: ObjectId | None = None
    """Required if `party` is `merchant`."""
    source_id: ObjectId | None = None
    """Required if `party` is `source`."""
    amount_minor: DifferenceMinor
    """The amount to add to the account. A negative amount takes away."""
    currency: Currency
    """The currency of the amount."""
    note: Annotated[str, Text(NOTE_CHARACTERS)]
    """The reason for the entry."""
    conversion_id: UUID | None = None
    """The conversion that it is about."""
    payout_schedule: PayoutSchedule = PayoutSchedule.MONTHLY
    """The payouts that pay a source's entry."""


class Entry(Shown):
    """An entry of the ledger. Entries are only ever added."""

    entry_id: int
    party: Party
    kind: EntryKind
    conversion_id: UUID | None
    merchant_id: int | None
    source_id: int | None
    amount: str
    """The amount in major units."""
    amount_minor: int
    """The amount in minor units, which is exact."""
    currency: str
    original_minor: int | None
    """The merchant's amount from which it was computed, if that had to be converted."""
    original_currency: str | None
    rate: str | None
    """The exchange rate that was used."""
    rate_date: date | None
    """The day whose rate was used."""
    rate_age_days: int | None
    """How many days older the rate is than the conversion. A rate of the same day has 0."""
    plan_id: int | None
    """The commission plan of a source's entry."""
    change_id: int | None
    """The change of the conversion for which it was booked."""
    actor: str | None
    """The name of the API token, if an operator made the entry."""
    note: str | None
    payout_schedule: PayoutSchedule | None
    """The payouts that pay it; null for merchants."""
    payable_at: datetime | None
    """The moment from which it can be in a payout; null for merchants."""
    payout_id: int | None
    """The payout that pays it."""
    locked: bool
    """Whether it was paid."""
    created_at: datetime


class Balance(Shown):
    """What a merchant owes you, or what you owe a source, in one currency."""

    party: Party
    merchant_id: int | None
    source_id: int | None
    currency: str
    balance: str
    """The sum of the entries, in major units."""
    balance_minor: int
    """The sum of the entries in minor units, which is exact."""
    entries: int
    """How many entries there are."""
    held_minor: int
    """The part of a source's balance that is not payable yet."""
    in_payouts_minor: int
    """The part of a source's balance that is in payouts that are not paid yet."""
    paid_minor: int
    """What was paid to a source."""


class EntriesQuery(EntryFilter, NumberedPageQuery):
    """The filters of the list and the place of a page."""


class Entries:
    """The ledger."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("List entries")
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: EntriesQuery) -> Page[Entry]:
        """The entries are in the order in which they were made."""
        with self._pool.connection() as database:
            rows = load_entries(database, query.chosen(), query.after, query.limit + 1)
        return page_of(Page[Entry], rows, query.limit, show_entry, lambda row: str(row["entry_id"]))

    @operation("Add an adjustment", statuses=(HTTPStatus.CREATED,))
    def on_post(self, req: falcon.Request, resp: falcon.Response, body: NewAdjustment) -> Entry:
        """Add an entry of your own, with a note that says why. It cannot be removed; add another to cancel it."""
        with self._pool.connection() as database:
            row = save_adjustment(database, body.values(), actor_of(req))
        resp.location = f"/v1/entries?conversion_id={row['conversion_id']}" if row["conversion_id"] else "/v1/entries"
        return show_entry(row)


class Balances:
    """What each merchant owes and what each source is owed, by currency. Currencies are never added up."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("List balances")
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: BalanceFilter) -> Page[Balance]:
        """One page holds all balances. Each is the sum of all its entries, and currencies are never added up."""
        with self._pool.connection() as database:
            rows = load_balances(database, query.chosen())
        items = [Balance.of(row, balance=format_amount(row["balance_minor"], row["currency"])) for row in rows]
        return Page[Balance](items=items, next_cursor=None)


def load_entries_of(database: Database, conversion_id: UUID) -> list[Entry]:
    """Return all entries of a conversion, in the order in which they were made."""
    return [show_entry(row) for row in load_conversion_entries(database, conversion_id)]


def show_entry(row: Row) -> Entry:
    """Return the entry of a row, with its amount in major units too."""
    return Entry.of(row, amount=format_amount(row["amount_minor"], row["currency"]))
