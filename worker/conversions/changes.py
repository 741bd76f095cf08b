"""The log of changes of conversions, which bookkeeping follows: the unbooked ones, and marking them as booked."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from worker.runtime import Connection


class Change(NamedTuple):
    """One change of a conversion, amounts in minor units. What it was before is null where the change made it."""

    change_id: int
    conversion_id: UUID
    changed_at: datetime
    cause: str
    from_status: str | None
    to_status: str
    from_payout_minor: int | None
    to_payout_minor: int | None
    from_currency: str | None
    to_currency: str | None


# Another process may have the first ones: what it does not finish is here again next time. RACE: a change whose
# predecessor it has is left for the next time too, so that partners are told of changes in their order.
_UNBOOKED = f"""
    with picked as (
        select {", ".join(Change._fields)} from conversion_changes where booked_at is null
        order by change_id limit %s for update skip locked
    )
    select * from picked where not exists (
        select from conversion_changes e
        where e.conversion_id = picked.conversion_id and e.booked_at is null and e.change_id < picked.change_id
            and e.change_id not in (select change_id from picked)
    ) order by change_id
"""  # noqa: S608
_MARK = "update conversion_changes set booked_at = now() where change_id = any(%s)"


def lock_unbooked(connection: Connection, limit: int) -> list[Change]:
    """Return the oldest changes that nobody has booked or is booking, locked until the transaction ends."""
    return [Change(*row) for row in connection.execute(_UNBOOKED, [limit]).fetchall()]


def mark_booked(connection: Connection, changes: list[Change]) -> None:
    """Mark changes as booked, in the transaction that stores what follows from them."""
    connection.execute(_MARK, [[change.change_id for change in changes]])
