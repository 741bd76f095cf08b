"""The postbacks table: one row for each postback; its outcome is rewritten when its claim is decided. SQL only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from config.tables import postbacks, retention
from tracking.clicks import clicked_at
from tracking.conversions import ConversionStatus, PostbackOutcome, PostbackReason
from worker.conversions import Claim, Decision
from worker.postbacks.rows import Origin, PostbackRow, row_values
from worker.runtime import Connection
from worker.spool import storable_text

_INSERT = (
    f"insert into postbacks ({', '.join(postbacks.WRITTEN)})"  # noqa: S608
    f" values ({', '.join(f'%({name})s' for name in postbacks.WRITTEN)})"
    " on conflict (postback_id, received_at) do nothing"
)
# The second postback with a nonce finds the row of the first. RACE: its caller locks the nonce before this, so that the
# first row is committed. The row may be in another month's partition, so no key would find it.
_NONCE = (
    "with known as (select postback_id from postback_nonces where merchant_id = %(merchant_id)s and nonce = %(nonce)s"
    " order by received_at limit 1), fresh as (insert into postback_nonces"
    " (merchant_id, nonce, postback_id, received_at)"
    " select %(merchant_id)s, %(nonce)s, %(postback_id)s, %(received_at)s where not exists (select from known)"
    " returning postback_id) select postback_id from known union all select postback_id from fresh"
)
_REPLAYED = "update postbacks set outcome = %s, reason = %s, detail = null, claimed = false where postback_id = %s"
_DECIDED = (
    "update postbacks set outcome = %s, reason = %s, detail = coalesce(%s, detail), conversion_id = %s"
    " where postback_id = %s"
)
# The parameters are arrays with one element for each postback. A row that would not change is not written.
_DECIDED_AGAIN = (
    "update postbacks p set outcome = d.outcome, reason = d.reason, conversion_id = d.conversion_id"
    " from unnest(%s::uuid[], %s::text[], %s::text[], %s::uuid[]) as d (postback_id, outcome, reason, conversion_id)"
    " where p.postback_id = d.postback_id and (p.outcome, p.reason, p.conversion_id)"
    " is distinct from (d.outcome, d.reason, d.conversion_id)"
)
_OVERDUE = (
    "update postbacks set overdue_at = now() where postback_id in (select postback_id from postbacks"
    " where outcome = 'parked' and overdue_at is null and stored_at < now() - make_interval(hours => %s)"
    " order by stored_at limit %s for update skip locked)"
    " returning postback_id, merchant_id, click_id, received_at, query, body"
)
_CLAIM = ", ".join("status_sent" if name == "status" else name for name in Claim._fields)
# All decided claims about one conversion: those with the same click, event and order.
_ABOUT = (
    " from postbacks where click_id = %(click_id)s and event = %(event)s"
    " and order_id is not distinct from %(order_id)s and postback_id <> %(postback_id)s"
    f" and {postbacks.IS_CLAIM} and outcome <> 'parked'"
)
_DECIDED_LATER = f"select exists (select 1 {_ABOUT} and received_at > %(received_at)s)"
_DECIDED_CLAIMS = f"select {_CLAIM} {_ABOUT} order by received_at, spool_id, spool_number limit %(limit)s"
_PARKED = (
    f"select {_CLAIM} from postbacks where postback_id = any(%s) and outcome = 'parked'"  # noqa: S608
    " order by received_at, spool_id, spool_number for update"
)
_PARKED_ANY = "select exists (select from postbacks where outcome = 'parked')"
_PARKED_OF_CLICKS = "select postback_id from postbacks where outcome = 'parked' and click_id = any(%s)"
_PARKED_CLICK_IDS = (
    "select distinct click_id from postbacks where outcome = 'parked' and click_id > %s"
    " and (%s::interval is null or stored_at > now() - %s::interval) order by click_id limit %s"
)
_STORED_CLICK_IDS = "select click_id from clicks where click_id = any(%s)"


class Overdue(NamedTuple):
    """A postback that has waited too long for its click."""

    postback_id: UUID
    merchant_id: int | None
    click_id: UUID
    received_at: datetime
    query: str
    body: str


def insert_postback(connection: Connection, row: PostbackRow, spool_id: str) -> bool:
    """Store a postback as it arrived; return False when it is there already."""
    return connection.execute(_INSERT, row_values(row, spool_id)).rowcount == 1


def claim_nonce(connection: Connection, nonce: str | None, origin: Origin) -> bool:
    """Whether no other postback used the id that this one's signature covers; true if it is not signed."""
    if nonce is None or origin.merchant_id is None:
        return True
    taken = {**origin._asdict(), "nonce": storable_text(nonce)}
    row = connection.execute(_NONCE, taken).fetchone()
    return row is not None and bool(row[0] == origin.postback_id)


def save_replayed(connection: Connection, postback_id: UUID) -> None:
    """Refuse a postback whose signed id was used before: it makes no claim."""
    refused = [PostbackOutcome.REFUSED.value, PostbackReason.REPLAYED.value]
    connection.execute(_REPLAYED, [*refused, postback_id])


def save_decision(connection: Connection, postback_id: UUID, decision: Decision) -> None:
    """Write a postback's outcome."""
    decided = [decision.outcome.value, decision.reason, None, decision.conversion_id]
    connection.execute(_DECIDED, [*decided, postback_id])


def save_decisions(connection: Connection, decisions: Sequence[tuple[UUID, Decision]]) -> None:
    """Write the new outcomes of postbacks that were decided before, where they differ."""
    columns = (
        [postback_id for postback_id, _ in decisions],
        [decision.outcome.value for _, decision in decisions],
        [decision.reason for _, decision in decisions],
        [decision.conversion_id for _, decision in decisions],
    )
    if decisions:
        connection.execute(_DECIDED_AGAIN, columns)


def save_refusal(connection: Connection, postback_id: UUID, detail: str) -> None:
    """Refuse a parked postback whose decision PostgreSQL refuses to store, so that it is not tried for ever."""
    refused = [PostbackOutcome.REFUSED.value, PostbackReason.BAD_FIELD.value, detail, None, postback_id]
    connection.execute(_DECIDED, refused)


def decided_later(connection: Connection, claim: Claim) -> bool:
    """Whether a postback about the same conversion was received after this claim and decided before it."""
    row = connection.execute(_DECIDED_LATER, claim._asdict()).fetchone()
    return row is not None and bool(row[0])


def decided_claims(connection: Connection, claim: Claim, limit: int | None = None) -> list[Claim]:
    """Return the other decided claims about the same conversion, oldest first, at most `limit` of them."""
    return [_claim(row) for row in connection.execute(_DECIDED_CLAIMS, {**claim._asdict(), "limit": limit})]


def lock_parked(connection: Connection, postback_ids: Sequence[UUID]) -> list[Claim]:
    """Return the claims of the postbacks that are still parked, oldest first, and lock their rows."""
    return [_claim(row) for row in connection.execute(_PARKED, [list(postback_ids)])]


def parked_claims(connection: Connection, postback_ids: Sequence[UUID]) -> list[Claim]:
    """Return the same claims without locking the rows: the caller needs them to know which claims to lock."""
    unlocked = _PARKED.removesuffix(" for update")
    return [_claim(row) for row in connection.execute(unlocked, [list(postback_ids)])]


def parked_any(connection: Connection) -> bool:
    """Whether any postback is parked at this moment. Ask after the commit of the clicks that it may wait for."""
    row = connection.execute(_PARKED_ANY).fetchone()
    return row is not None and bool(row[0])


def parked_of_clicks(connection: Connection, click_ids: Sequence[str] | Sequence[UUID]) -> list[UUID]:
    """Return the parked postbacks of some clicks."""
    return [row[0] for row in connection.execute(_PARKED_OF_CLICKS, [list(click_ids)])]


def parked_click_ids(connection: Connection, after: UUID, within: timedelta | None, limit: int) -> list[UUID]:
    """Return the next click ids that parked postbacks wait for, if stored `within` the given time (None: ever)."""
    found = connection.execute(_PARKED_CLICK_IDS, [after, within, within, limit], prepare=False)
    return [row[0] for row in found]


def stored_click_ids(connection: Connection, click_ids: Sequence[UUID]) -> list[UUID]:
    """Return the click ids that are stored.

    PERF: the query is planned with its values, so only the partitions of these ids are opened and locked. A join with
    clicks opens all of them: for three years of partitions, planning took 47 ms and 3,300 of the 6,400 locks there are.
    """
    return [row[0] for row in connection.execute(_STORED_CLICK_IDS, [list(click_ids)], prepare=False)]


def dropped_click_ids(connection: Connection, click_ids: Sequence[UUID]) -> list[UUID]:
    """Return the click ids of a time whose clicks were dropped: those that are not stored are gone."""
    row = connection.execute(retention.CLICKS_DROPPED_BEFORE).fetchone()
    if row is None or row[0] is None:
        return []
    return [click_id for click_id in click_ids if clicked_at(click_id) < row[0]]


def flag_parked(connection: Connection, hours: int, limit: int) -> list[Overdue]:
    """Mark and return postbacks that have been parked for so many hours, oldest first; each is returned only once."""
    return [Overdue(*row) for row in connection.execute(_OVERDUE, [hours, limit])]


def _claim(row: Sequence[Any]) -> Claim:
    found = Claim(*row)
    return found._replace(status=None if found.status is None else ConversionStatus(found.status))
