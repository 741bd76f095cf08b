"""The ledger's words, and which entries bring what is booked of a conversion to what it should be. Pure.

A merchant's entries are what it owes the operator, a source's what the operator owes it; a balance is their sum.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple


class Party(StrEnum):
    """Whose account an entry is of."""

    MERCHANT = "merchant"
    SOURCE = "source"


class EntryKind(StrEnum):
    """What an entry is."""

    # What a merchant pays for a conversion, and what a source earns by one.
    REVENUE = "revenue"
    COMMISSION = "commission"
    # A change of either, or an operator's own correction.
    ADJUSTMENT = "adjustment"
    # Takes all of a conversion back.
    REVERSAL = "reversal"
    # What a source was paid; negative.
    PAYOUT = "payout"


class DueEntry(NamedTuple):
    """An entry to append."""

    kind: EntryKind
    currency: str
    amount_minor: int


_FIRST = {Party.MERCHANT: EntryKind.REVENUE, Party.SOURCE: EntryKind.COMMISSION}


def due_entries(party: Party, target: Mapping[str, int], booked: Mapping[str, int]) -> list[DueEntry]:
    """Return the entries that make the sums `booked` of one conversion, by currency, those of `target`.

    Currencies are never mixed: an amount in another currency takes the old one back and books the new one.
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
