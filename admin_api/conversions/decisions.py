"""An operator's decisions about conversions: one at a time, or all that a filter finds, as the preview showed them.

A decision is written as a change of the conversion, with its author and reason. Bookkeeping does the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from psycopg import sql

from admin_api.conversions.listing import TABLES, ConversionFilter, load_revision
from admin_api.conversions.objects import ConversionSum
from admin_api.http import (
    ConflictError,
    NotFoundError,
    Revisions,
    preview_token,
    require_preview,
    require_revision,
)
from admin_api.runtime import Database, Row
from config.tables import conversions
from tracking.conversions import LEGAL_TRANSITIONS, ConversionStatus, PostbackReason
from tracking.runtime import FieldError

ROWS_MAX = 10_000


class Action(StrEnum):
    """What can be done to many conversions at once."""

    APPROVE = "approve"
    REJECT = "reject"
    # Booked conversions get their terms again, by the current plans and event types.
    REBOOK = "rebook"


# The status that an action applies to, and the status that it leads to.
_STEPS = {
    Action.APPROVE: (ConversionStatus.PENDING, ConversionStatus.APPROVED),
    Action.REJECT: (ConversionStatus.PENDING, ConversionStatus.REJECTED),
}


class Found(NamedTuple):
    """What a filter finds: the ids, the sums by currency, and a token for exactly these conversions in this state."""

    conversion_ids: Sequence[UUID]
    sums: Sequence[ConversionSum]
    token: str


def attribute(database: Database, actor: str, note: str | None) -> None:
    """Say inside the caller's transaction who changes conversions, and why."""
    database.execute(conversions.ATTRIBUTE, {"cause": "operator", "postback": "", "actor": actor, "note": note or ""})


class Decided(NamedTuple):
    """What an operator decided about a conversion, and why."""

    status: ConversionStatus
    actor: str
    note: str | None


def decide(database: Database, conversion_id: UUID, decided: Decided, allowed: Revisions) -> None:
    """Give a conversion another status. The same status is no change.

    Raises NotFoundError, RevisionError, and ConflictError if the status is not allowed.
    """
    status = decided.status
    with database.transaction():
        row = database.execute(
            "select status from conversions where conversion_id = %s for update", [conversion_id]
        ).fetchone()
        if row is None:
            raise NotFoundError(f"there is no conversion {conversion_id}")
        # While the conversion is locked, nobody else can add a change.
        require_revision(load_revision(database, conversion_id), allowed, "conversion")
        before = ConversionStatus(row["status"])
        if before is status:
            return
        if (before, status) not in LEGAL_TRANSITIONS:
            after = sorted(to for origin, to in LEGAL_TRANSITIONS if origin is before)
            can = f"it can become {' or '.join(after)}" if after else "it stays as it is"
            raise ConflictError(
                f"a conversion that is {before} cannot become {status}; {can}",
                code="illegal-transition",
                field="status",
            )
        attribute(database, decided.actor, decided.note)
        _save(database, [conversion_id], status)


def preview(database: Database, action: Action, wanted: ConversionFilter) -> Found:
    """Return the conversions to which an action would apply."""
    return _find(database, action, wanted, lock=False)


def decide_all(
    database: Database, action: Action, wanted: ConversionFilter, token: str, actor: str, note: str | None
) -> Found:
    """Do what the preview showed and return what it applied to. Raises ConflictError if the filter now finds others."""
    with database.transaction():
        found = _find(database, action, wanted, lock=True)
        require_preview(token, found.token, f"the filter now finds {len(found.conversion_ids)}")
        if action is Action.REBOOK:
            database.execute(
                "update bookings set renew = true where conversion_id = any(%s)", [list(found.conversion_ids)]
            )
        else:
            attribute(database, actor, note)
            _save(database, found.conversion_ids, _STEPS[action][1])
    return found


def _find(database: Database, action: Action, wanted: ConversionFilter, *, lock: bool) -> Found:
    chosen = wanted.chosen()
    only = sql.SQL("b.conversion_id is not null").format()
    if action is not Action.REBOOK:
        only = sql.SQL("c.status = {}").format(sql.Literal(_STEPS[action][0].value))
    # Rows are locked in one order and checked again once locked, so those that others have decided are not found.
    query = sql.SQL(
        "select c.conversion_id, c.status, c.payout_minor, c.currency from {} {} order by c.conversion_id limit {} {}"
    ).format(
        sql.SQL(TABLES),
        chosen.where(only),
        sql.Literal(ROWS_MAX + 1),
        sql.SQL("for update of c") if lock else sql.SQL(""),
    )
    rows = database.execute(query, chosen.values, prepare=False).fetchall()
    if len(rows) > ROWS_MAX:
        raise FieldError(
            "filter", f"filter finds more than {ROWS_MAX} conversions; narrow it, for example by from and to"
        )
    token = preview_token("|".join(map(str, [action, *row.values()])) for row in rows)
    return Found([row["conversion_id"] for row in rows], _sums(rows), token)


def _sums(rows: Sequence[Row]) -> list[ConversionSum]:
    amounts: dict[str | None, list[int]] = {}
    for row in rows:
        amounts.setdefault(row["currency"], []).append(row["payout_minor"] or 0)
    return [
        ConversionSum(currency=currency, payout_minor=sum(amounts[currency]), conversions=len(amounts[currency]))
        for currency in sorted(amounts, key=lambda code: code or "")
    ]


def _save(database: Database, conversion_ids: Sequence[UUID], status: ConversionStatus) -> None:
    database.execute(
        "update conversions set status = %s, reason = %s, updated_at = now() where conversion_id = any(%s)",
        [status.value, PostbackReason.OPERATOR_DECISION.value, list(conversion_ids)],
    )
