"""The conversions table: what is known of a claim, and writing what was decided. SQL only; matching decides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any
from uuid import UUID

from tracking.events import REPEAT_WINDOW_S, ConversionStatus, PostbackReason
from worker.database import Connection
from worker.errors import StaleError
from worker.matching import Claim, ClickFacts, Conversion, Known, duplicate_key, merchant_of

LOAD_CLICK = (
    "select c.click_id, c.clicked_at, c.link_id, l.merchant_id, p.click_expiry_days,"
    " coalesce(m.postback_auth = 'token', false) from clicks c"
    " left join links l on l.link_id = c.link_id left join profiles p on p.profile_id = c.profile_id"
    " left join merchants m on m.merchant_id = l.merchant_id"
    " where c.click_id = %s"
)
_COLUMNS = "conversion_id, click_id, status, reason, status_sent, payout_minor, currency, authenticated"
_BY_KEY = f"select {_COLUMNS} from conversions where merchant_id = %s and duplicate_key = %s"  # noqa: S608
# An unauthenticated look-alike never makes an authenticated report a duplicate.
_IDENTICAL = (
    "select conversion_id from conversions where click_id = %s and event = %s and duplicate_key is null"
    " and payout_minor is not distinct from %s and currency is not distinct from %s"
    " and status_sent is not distinct from %s and (authenticated or not %s)"
    " and received_at between %s - make_interval(secs => %s) and %s + make_interval(secs => %s)"
    " order by received_at limit 1"
)
_INSERT = (
    "insert into conversions (click_id, merchant_id, link_id, event, order_id, duplicate_key, status, reason,"
    " status_sent, payout_minor, currency, authenticated, clicked_at, received_at)"
    " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
    " on conflict (merchant_id, duplicate_key) do nothing returning conversion_id"
)
_UPDATE = (
    "update conversions set status = %s, reason = %s, status_sent = %s, payout_minor = %s, currency = %s,"
    " authenticated = %s, updated_at = now() where conversion_id = %s"
)
_REWRITE = (
    "update conversions set status = %s, reason = %s, status_sent = %s, payout_minor = %s, currency = %s,"
    " authenticated = %s, received_at = %s, updated_at = now() where conversion_id = %s"
)
_DISPLACE = (
    "update conversions set duplicate_key = null, status = 'rejected', reason = %s, updated_at = now()"
    " where conversion_id = %s"
)
_LOCK = "select pg_advisory_xact_lock(lock) from unnest(%s::bigint[]) as locks (lock)"


def lock_claims(connection: Connection, claims: Iterable[Claim]) -> None:
    """Keep every other process from judging the same clicks and orders until the transaction ends.

    All locks of a transaction are taken here, in one order, so that two batches with the same clicks cannot deadlock.
    """
    names = set()
    for claim in claims:
        names.add(f"click:{claim.click_id}")
        names.add(duplicate_key(claim) or f"click:{claim.click_id}")
    locks = sorted(
        {int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big", signed=True) for name in names}
    )
    if locks:
        connection.execute(_LOCK, [locks])


def load_click(connection: Connection, click_id: UUID) -> ClickFacts | None:
    """Return a stored click. Planned with its value, so that one partition is touched and locked, not all of them."""
    row = connection.execute(LOAD_CLICK, [click_id], prepare=False).fetchone()
    return None if row is None else ClickFacts(*row)


def load_known(connection: Connection, claim: Claim, click: ClickFacts) -> Known:
    """Return what is stored of a claim: by its key, or as an identical one within the window."""
    key = duplicate_key(claim)
    if key is not None:
        row = connection.execute(_BY_KEY, [merchant_of(claim, click), key]).fetchone()
        return Known(by_key=None if row is None else _conversion(row))
    currency = claim.currency if claim.payout_minor is not None else None
    said = [claim.click_id, claim.event, claim.payout_minor, currency, claim.status, claim.authenticated]
    window = [claim.received_at, REPEAT_WINDOW_S] * 2
    row = connection.execute(_IDENTICAL, [*said, *window]).fetchone()
    return Known(identical_id=None if row is None else row[0])


def insert_conversion(connection: Connection, claim: Claim, click: ClickFacts, made: Conversion) -> UUID:
    """Store a new conversion, made by `claim`. Raises StaleError when there is one under its key already."""
    row = connection.execute(
        _INSERT,
        [
            *(
                claim.click_id,
                merchant_of(claim, click),
                click.link_id,
                claim.event,
                claim.order_id,
                duplicate_key(claim),
            ),
            *(made.status, made.reason, made.status_sent, made.payout_minor, made.currency, made.authenticated),
            *(click.clicked_at, claim.received_at),
        ],
    ).fetchone()
    if row is None:
        raise StaleError("a conversion appeared under the same key")
    conversion_id: UUID = row[0]
    return conversion_id


def update_conversion(connection: Connection, changed: Conversion) -> None:
    """Write what a transition changed."""
    values = (changed.status, changed.reason, changed.status_sent, changed.payout_minor, changed.currency)
    connection.execute(_UPDATE, [*values, changed.authenticated, changed.conversion_id])


def rewrite_conversion(connection: Connection, made: Conversion, received_at: datetime) -> None:
    """Write a conversion as if its postbacks had come in order; `received_at` is that of the one that made it."""
    values = (made.status, made.reason, made.status_sent, made.payout_minor, made.currency, made.authenticated)
    connection.execute(_REWRITE, [*values, received_at, made.conversion_id])


def displace(connection: Connection, conversion_id: UUID) -> None:
    """Reject an unauthenticated conversion and free its key for the account's own report of the order."""
    connection.execute(_DISPLACE, [PostbackReason.ORDER_OF_ANOTHER_CLICK.value, conversion_id])


def _conversion(row: Sequence[Any]) -> Conversion:
    conversion_id, click_id, status, reason, status_sent, payout_minor, currency, authenticated = row
    return Conversion(
        conversion_id,
        click_id,
        ConversionStatus(status),
        None if reason is None else PostbackReason(reason),
        None if status_sent is None else ConversionStatus(status_sent),
        payout_minor,
        currency,
        authenticated,
    )
