"""The kinds of ledger entries, and which entries correct what is booked for a conversion. Pure.

A merchant's entries are what it owes the operator. A source's entries are what the operator owes it. A balance is the
sum of entries.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple


class Party(StrEnum):
    """The party to whose account an entry belongs."""

    MERCHANT = "merchant"
    SOURCE = "source"


class EntryKind(StrEnum):
    """What an entry is for."""

    # What a merchant pays for a conversion, and what a source earns by one.
    REVENUE = "revenue"
    COMMISSION = "commission"
    # A change of one of these, or an operator's own correction.
    ADJUSTMENT = "adjustment"
    # Takes back all that is booked for a conversion.
    REVERSAL = "reversal"
    # What a source was paid; it is negative.
    PAYOUT = "payout"


class DueEntry(NamedTuple):
    """An entry that has to be appended."""

    kind: EntryKind
    currency: str
    amount_minor: int


_FIRST = {Party.MERCHANT: EntryKind.REVENUE, Party.SOURCE: EntryKind.COMMISSION}


def due_entries(party: Party, target: Mapping[str, int], booked: Mapping[str, int]) -> list[DueEntry]:
    """Return the entries that turn what is `booked` for one conversion into `target`. Both are sums by currency.

    Currencies are never mixed: if the currency changes, one entry takes the old amount back and one books the new one.
    """
    due = []
    for currency in sorted({*target, *booked}):
        wanted, present = target.get(currency, 0), booked.get(currency, 0)
        if wanted == present:
            continue
        kind = EntryKind.ADJUSTMENT
        if present == 0:
            kind = _FIRST[party]
        elif wanted == 0:
            kind = EntryKind.REVERSAL
        due.append(DueEntry(kind, currency, wanted - present))
    return due
