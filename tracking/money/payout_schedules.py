"""The periods of each payout schedule, what a source can be paid at their end, and why it is held back. Pure.

Weeks begin on Monday and months on the first day, at midnight UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from tracking.money.currencies import AMOUNT_MINOR_MAX
from tracking.money.exchange_rates import RateLookup, convert

# A Monday; fortnights are counted from it.
_ANCHOR = datetime(1970, 1, 5, tzinfo=UTC)


class PayoutSchedule(StrEnum):
    """How often a source is paid."""

    WEEKLY = "weekly"
    FORTNIGHTLY = "fortnightly"
    MONTHLY = "monthly"


class PayoutState(StrEnum):
    """open → approved → paid; open or approved → rejected."""

    OPEN = "open"
    APPROVED = "approved"
    PAID = "paid"
    REJECTED = "rejected"


class HeldBack(StrEnum):
    """Why an amount is not paid out this time. It stays payable."""

    NOT_POSITIVE = "not-positive"
    BELOW_MINIMUM = "below-minimum"
    RATE_MISSING = "rate-missing"
    ALREADY_MADE = "already-made"
    REJECTED_BEFORE = "rejected-before"


@dataclass(frozen=True, slots=True)
class Payable:
    """What a source can be paid in one currency by one schedule, in minor units.

    `minimum_minor` is in the same currency, None if a rate for it is missing. `standing` is the state of the period's
    payout, if it was made already.
    """

    source_id: int
    currency: str
    schedule: PayoutSchedule
    amount_minor: int
    entries: int
    minimum_minor: int | None
    standing: PayoutState | None = None


def period_end(schedule: PayoutSchedule, now: datetime) -> datetime:
    """Return the end of the last whole period: the beginning of the present one."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if schedule is PayoutSchedule.MONTHLY:
        return midnight.replace(day=1)
    days = 14 if schedule is PayoutSchedule.FORTNIGHTLY else 7
    return midnight - timedelta(days=(midnight - _ANCHOR).days % days)


def period_ends(now: datetime) -> dict[PayoutSchedule, datetime]:
    """Return the end of the last whole period of every schedule."""
    return {schedule: period_end(schedule, now) for schedule in PayoutSchedule}


def payable_groups(rows: Iterable[Mapping[str, Any]], find_rate: RateLookup, now: datetime) -> list[Payable]:
    """Return the rows of the database's payable_at(), each with its minimum: the largest one of its event types."""
    return [
        Payable(
            source_id=row["source_id"],
            currency=row["currency"],
            schedule=PayoutSchedule(row["payout_schedule"]),
            amount_minor=row["amount_minor"],
            entries=row["entries"],
            minimum_minor=_minimum(row["minimums"], row["currency"], find_rate, now),
            standing=PayoutState(row["standing"]) if row["standing"] is not None else None,
        )
        for row in rows
    ]


def _minimum(minimums: Mapping[str, int], currency: str, find_rate: RateLookup, now: datetime) -> int | None:
    """Return the largest of some minimums, given by currency, in one currency; None if a rate is missing."""
    largest = 0
    for of_currency, amount_minor in minimums.items():
        used = find_rate(of_currency, currency, now.astimezone(UTC).date())
        if used is None:
            return None
        try:
            largest = max(largest, convert(amount_minor, of_currency, currency, used.rate))
        except OverflowError:
            largest = AMOUNT_MINOR_MAX
    return largest


def held_back(payable: Payable, *, anew: bool) -> HeldBack | None:
    """Return why no payout is made, or None. With `anew`, one that was rejected is made again."""
    if payable.standing is PayoutState.REJECTED and not anew:
        return HeldBack.REJECTED_BEFORE
    if payable.standing not in (None, PayoutState.REJECTED):
        return HeldBack.ALREADY_MADE
    if payable.amount_minor <= 0:
        return HeldBack.NOT_POSITIVE
    if payable.minimum_minor is None:
        return HeldBack.RATE_MISSING
    return HeldBack.BELOW_MINIMUM if payable.amount_minor < payable.minimum_minor else None
