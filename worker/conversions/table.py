"""The conversions table: what is stored about a claim, and writing what was decided. SQL only; matching decides."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any, NamedTuple
from uuid import UUID

from config.tables import conversions
from tracking.conversions import REPEAT_WINDOW_S, ConversionStatus, PostbackReason
from worker.conversions.context import Context
from worker.conversions.matching import Claim, ClickFacts, Conversion, Known, duplicate_key, merchant_of
from worker.runtime import Connection, StaleError

LOAD_CLICK = (
    "select c.click_id, c.clicked_at, c.link_id, coalesce(h.merchant_id, l.merchant_id), p.click_expiry_days,"
    " coalesce(m.postback_auth <> 'none', false), host(c.ip), l.merchant_id, c.destination_id, c.country"
    " from clicks c"
    " left join links l on l.link_id = c.link_id left join profiles p on p.profile_id = c.profile_id"
    " left join lateral (select merchant_id from link_history where link_id = c.link_id and until > c.clicked_at"
    " order by until limit 1) h on true"
    " left join merchants m on m.merchant_id = coalesce(h.merchant_id, l.merchant_id)"
    " where c.click_id = %s"
)
# The same facts of a click that was dropped, from a conversion of it.
_LOAD_DROPPED = (
    "select k.click_id, k.clicked_at, k.link_id, k.merchant_id, p.click_expiry_days,"
    " coalesce(m.postback_auth <> 'none', false), null::text, l.merchant_id, k.destination_id, k.country"
    " from conversions k"
    " left join links l on l.link_id = k.link_id left join profiles p on p.profile_id = l.profile_id"
    " left join merchants m on m.merchant_id = k.merchant_id"
    " where k.click_id = %s order by k.received_at, k.conversion_id limit 1"
)
_SELECT = f"select {', '.join(Conversion._fields)} from conversions"  # noqa: S608
_BY_KEY = f"{_SELECT} where merchant_id = %s and duplicate_key = %s"
_BY_ID = f"{_SELECT} where conversion_id = %s"
# An unauthenticated conversion never makes an authenticated report a duplicate.
_IDENTICAL = (
    "select conversion_id from conversions where click_id = %s and event = %s and duplicate_key is null"
    " and payout_minor is not distinct from %s and currency is not distinct from %s"
    " and status_sent is not distinct from %s and (authenticated or not %s)"
    " and received_at between %s - make_interval(secs => %s) and %s + make_interval(secs => %s)"
    " order by received_at limit 1"
)
_INSERT = (
    "insert into conversions (click_id, merchant_id, link_id, event, order_id, duplicate_key, status, reason,"
    " status_sent, payout_minor, currency, authenticated, clicked_at, received_at, country, destination_id)"
    " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
    " on conflict (merchant_id, duplicate_key) do nothing returning conversion_id"
)
# RACE: operators change conversions too, without the locks of the workers. A decision on a former state is not written.
_CHANGE = (
    "update conversions set status = %s, reason = %s, status_sent = %s, payout_minor = %s, currency = %s,"
    " authenticated = %s, received_at = coalesce(%s, received_at), updated_at = now() where conversion_id = %s"
    " and status = %s and payout_minor is not distinct from %s and currency is not distinct from %s"
)
_DISPLACE = (
    "update conversions set duplicate_key = null, status = 'rejected', reason = %s, updated_at = now()"
    " where conversion_id = %s"
)
_WITHDRAW = (
    "update conversions set duplicate_key = null, reason = %s, updated_at = now(),"
    " status = case status when 'approved' then 'reversed' when 'pending' then 'rejected' else status end"
    " where conversion_id = %s"
)
_OPERATOR_DECISIONS = (
    "select changed_at, from_status is distinct from to_status, to_status, reason,"
    " (from_payout_minor, from_currency) is distinct from (to_payout_minor, to_currency), to_payout_minor, to_currency"
    " from conversion_changes where conversion_id = %s and cause in ('operator', 'reconciliation') order by change_id"
)
_COUNTRY = re.compile(r"[A-Z]{2}")
_LOCK = "select pg_advisory_xact_lock(lock) from unnest(%s::bigint[]) as locks (lock)"


class OperatorDecision(NamedTuple):
    """What an operator decided about a conversion: a status with its reason, an amount, or both."""

    decided_at: datetime
    sets_status: bool
    status: ConversionStatus
    reason: str | None
    sets_amount: bool
    payout_minor: int | None
    currency: str | None


def lock_claims(
    connection: Connection,
    claims: Iterable[Claim],
    context: Context,
    nonces: Iterable[tuple[int | None, str | None]] = (),
) -> None:
    """Keep every other process from deciding about the same clicks, orders and signed ids until the transaction ends.

    A transaction takes all of its locks here, in one order, so that two batches with the same clicks cannot deadlock.
    """
    names = {f"nonce:{merchant_id}:{nonce}" for merchant_id, nonce in nonces if nonce is not None}
    for claim in claims:
        names.add(f"click:{claim.click_id}")
        names.add(duplicate_key(claim, context.event_types.get(claim.event)) or f"click:{claim.click_id}")
    locks = sorted(
        {int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big", signed=True) for name in names}
    )
    if locks:
        connection.execute(_LOCK, [locks])


def load_click(connection: Connection, click_id: UUID, context: Context) -> ClickFacts | None:
    """Return a stored click, or what a conversion kept of a click that was dropped; None if neither is there.

    The query is planned with the id, so that it opens and locks one partition, not all.
    """
    row = connection.execute(LOAD_CLICK, [click_id], prepare=False).fetchone()
    if row is None and context.is_dropped(click_id):
        row = connection.execute(_LOAD_DROPPED, [click_id]).fetchone()
    return None if row is None else ClickFacts(*row)


def load_known(connection: Connection, claim: Claim, click: ClickFacts, context: Context) -> Known:
    """Return what is stored about a claim: the conversion under its key, or an identical one of the same time."""
    key = duplicate_key(claim, context.event_types.get(claim.event))
    if key is not None:
        row = connection.execute(_BY_KEY, [merchant_of(claim, click), key]).fetchone()
        return Known(by_key=None if row is None else _conversion(row))
    currency = claim.currency if claim.payout_minor is not None else None
    said = [claim.click_id, claim.event, claim.payout_minor, currency, claim.status, claim.authenticated]
    window = [claim.received_at, REPEAT_WINDOW_S] * 2
    row = connection.execute(_IDENTICAL, [*said, *window]).fetchone()
    return Known(identical_id=None if row is None else row[0])


def load_conversion(connection: Connection, conversion_id: UUID) -> Conversion | None:
    """Return a conversion by its id."""
    row = connection.execute(_BY_ID, [conversion_id]).fetchone()
    return None if row is None else _conversion(row)


def load_operator_decisions(connection: Connection, conversion_id: UUID) -> list[OperatorDecision]:
    """Return what operators decided about a conversion, in order."""
    return [
        OperatorDecision(decided_at, sets_status, ConversionStatus(status), *rest)
        for decided_at, sets_status, status, *rest in connection.execute(_OPERATOR_DECISIONS, [conversion_id])
    ]


def attribute_changes(connection: Connection, claim: Claim, context: Context) -> None:
    """Name the postback that is the cause of the changes of conversions that follow in this transaction."""
    said = {"cause": context.cause.value, "postback": str(claim.postback_id), "actor": "", "note": ""}
    connection.execute(conversions.ATTRIBUTE, said)


def insert_conversion(
    connection: Connection, claim: Claim, click: ClickFacts, made: Conversion, context: Context
) -> UUID:
    """Store a new conversion, made by `claim`. Raises StaleError if there is one under its key by now."""
    # Clicks that an earlier release stored have no country. Of others, the address may be cut or gone.
    country = click.country or context.country_of(click.ip or "")
    row = connection.execute(
        _INSERT,
        [
            *(
                claim.click_id,
                merchant_of(claim, click),
                click.link_id,
                claim.event,
                claim.order_id,
                duplicate_key(claim, context.event_types.get(claim.event)),
            ),
            *(made.status, made.reason, made.status_sent, made.payout_minor, made.currency, made.authenticated),
            *(click.clicked_at, claim.received_at, country if _COUNTRY.fullmatch(country) else None),
            click.destination_id,
        ],
    ).fetchone()
    if row is None:
        raise StaleError("a conversion appeared under the same key")
    conversion_id: UUID = row[0]
    return conversion_id


def change_conversion(
    connection: Connection, before: Conversion, after: Conversion, received_at: datetime | None = None
) -> None:
    """Write what a conversion is now, and `received_at` if another postback is the one that made it.

    Raises StaleError if the conversion is not what it was `before` any more.
    """
    values = (after.status, after.reason, after.status_sent, after.payout_minor, after.currency, after.authenticated)
    known = (before.conversion_id, before.status, before.payout_minor, before.currency)
    if connection.execute(_CHANGE, [*values, received_at, *known]).rowcount != 1:
        raise StaleError("a conversion was changed while its postback was being decided")


def displace(connection: Connection, conversion_id: UUID) -> None:
    """Reject an unauthenticated conversion and free its key for the account's own report of the order."""
    connection.execute(_DISPLACE, [PostbackReason.ORDER_OF_ANOTHER_CLICK.value, conversion_id])


def withdraw(connection: Connection, conversion_id: UUID) -> None:
    """Take back a conversion whose postback turned out to say something else, and free its key."""
    connection.execute(_WITHDRAW, [PostbackReason.REPLACED.value, conversion_id])


def _conversion(row: Sequence[Any]) -> Conversion:
    found = Conversion(*row)
    sent = None if found.status_sent is None else ConversionStatus(found.status_sent)
    return found._replace(status=ConversionStatus(found.status), status_sent=sent)
