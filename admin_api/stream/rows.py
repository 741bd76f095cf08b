"""Reads what notes speak of: the newest clicks of batches, changes of conversions, entries and issues. SQL only.

No address and no user agent is read, so that none can be sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, LiteralString, NamedTuple

from admin_api.runtime import Database, Row
from admin_api.stream.notes import Batch
from admin_api.stream.selection import EventType
from tracking.clicks import SUB_NAMES

# How many clicks, and of each other kind how many events, a round looks at: the newest. A round is half a second, so at
# 5,000 clicks a second it looks at all of them.
CLICKS_MAX = 5000
OTHERS_MAX = 500
# A batch's ids may be hours apart, with other spools' clicks between them. So far from its newest they are looked for.
_SCANNED_MAX = 20_000
_SUBS: LiteralString = ", ".join(f"c.{name}" for name in SUB_NAMES)
# Whose the link was when the click was made.
_OWNER: LiteralString = (
    " left join links l on l.link_id = {table}.link_id"
    " left join lateral (select h.source_id, h.merchant_id, true as found from link_history h"
    " where h.link_id = {table}.link_id and h.until > {table}.clicked_at order by h.until limit 1) h on true"
)
_SOURCE: LiteralString = "case when h.found then h.source_id else l.source_id end as source_id"
_MERCHANT: LiteralString = "case when h.found then h.merchant_id else l.merchant_id end as merchant_id"
_CLICKS: LiteralString = (
    "with scanned as materialized (select * from clicks where click_id between %(low)s and %(high)s"  # noqa: S608
    f" order by click_id desc limit {_SCANNED_MAX}),"
    " c as (select * from scanned where spool_id = %(spool_id)s and spool_number >= %(first)s"
    " and spool_number < %(past)s order by click_id desc limit %(limit)s)"
    " select c.click_id, c.clicked_at, c.stored_at, c.link_id, l.name as link, c.profile_id,"
    f" {_SOURCE}, {_MERCHANT}, c.rule_id, c.destination_id, c.class, c.country, c.region, c.city, c.device, c.os,"
    f" c.browser, c.language, c.referrer_host, {_SUBS} from c{_OWNER.format(table='c')} order by c.click_id desc"
)
_CONVERSIONS: LiteralString = (
    "select ch.change_id, ch.changed_at, ch.cause, ch.from_status, ch.to_status as status, ch.reason,"  # noqa: S608
    " ch.to_payout_minor as payout_minor, ch.to_currency as currency, v.conversion_id, v.click_id, v.event,"
    f" v.order_id, v.clicked_at, v.received_at, v.link_id, l.name as link, l.profile_id, {_SOURCE},"
    " v.merchant_id, c.country"
    " from conversion_changes ch join conversions v using (conversion_id) left join clicks c on c.click_id = v.click_id"
    f"{_OWNER.format(table='v')} where ch.change_id = any(%(keys)s) order by ch.change_id"
)
_ENTRIES: LiteralString = (
    "select e.entry_id, e.created_at, e.party, e.kind, e.amount_minor, e.currency, e.conversion_id, v.click_id,"  # noqa: S608
    " v.event, v.link_id, l.name as link, l.profile_id,"
    " coalesce(e.source_id, case when h.found then h.source_id else l.source_id end) as source_id, v.merchant_id"
    " from entries e join conversions v using (conversion_id)"
    f"{_OWNER.format(table='v')} where e.entry_id = any(%(keys)s) order by e.entry_id"
)
_ISSUES: LiteralString = (
    "select issue_id, kind, state, title, count, merchant_id, conversion_id, click_id, opened_at, last_seen_at"
    " from issues where issue_id = any(%(keys)s) order by last_seen_at, issue_id"
)
STATEMENT_OF: dict[EventType, LiteralString] = {
    EventType.CONVERSION: _CONVERSIONS,
    EventType.ENTRY: _ENTRIES,
    EventType.ISSUE: _ISSUES,
}


class Clicks(NamedTuple):
    """Clicks, newest first, and how many others were stored of which nothing was read."""

    rows: list[Row]
    unexamined: int


def load_clicks(database: Database, batches: Sequence[Batch]) -> Clicks:
    """Return the newest clicks of batches, which are given oldest first."""
    found: list[Row] = []
    unexamined = 0
    for batch in reversed(batches):
        stored = batch.past - batch.first
        room = CLICKS_MAX - len(found)
        if room <= 0:
            unexamined += stored
            continue
        values: dict[str, Any] = batch._asdict() | {"limit": room}
        rows = database.execute(_CLICKS, values).fetchall()
        found += rows
        if len(rows) < stored and (len(rows) == room or _is_wide(database, batch)):
            unexamined += stored - len(rows)
    found.sort(key=lambda row: row["click_id"], reverse=True)
    return Clicks(found, unexamined)


def load_others(database: Database, kind: EventType, keys: Sequence[int]) -> tuple[list[Row], int]:
    """Return the newest events of a kind, oldest first, and how many others there are. Keys are given oldest first."""
    chosen = list(keys[-OTHERS_MAX:])
    rows = database.execute(STATEMENT_OF[kind], {"keys": chosen}).fetchall()
    return rows, len(keys) - len(chosen)


def _is_wide(database: Database, batch: Batch) -> bool:
    """Whether there are clicks between the ids of a batch that were not looked at."""
    row = database.execute(
        "select count(*) = %(most)s as wide from (select from clicks where click_id between %(low)s and %(high)s"
        " limit %(most)s) c",
        {"low": batch.low, "high": batch.high, "most": _SCANNED_MAX},
    ).fetchone()
    return row is not None and bool(row["wide"])
