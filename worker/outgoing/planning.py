"""Plans deliveries: when a conversion changes, one for each outgoing postback that is to report the change.

It runs in the transaction of bookkeeping and sends nothing. A delivery keeps the facts that it reports, so that every
attempt says the same, however late it is made.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

from psycopg.types.json import Jsonb

from tracking.clicks import SUB_NAMES
from tracking.outgoing import conversion_facts
from worker.conversions import Change
from worker.runtime import Connection

# A suspended outgoing postback goes on collecting deliveries; they are sent when the operator enables it again. A
# commission that waits for an exchange rate is not known, so it is null: 0 would be a price.
_MATCHING = (
    "select p.outgoing_postback_id, c.click_id, c.event, c.order_id, c.country, l.link_id, l.slug, s.name,"
    " case when not b.postponed then b.commission_minor end, case when not b.postponed then b.currency end"
    " from conversions c left join links l on l.link_id = c.link_id"
    " left join bookings b on b.conversion_id = c.conversion_id"
    " left join sources s on s.source_id = coalesce(b.source_id, l.source_id)"
    " join outgoing_postbacks p on p.source_id is null or p.source_id = s.source_id"
    " where c.conversion_id = %s and p.state <> 'disabled'"
    " and (p.events = '{}' or c.event = any(p.events)) and (p.statuses = '{}' or %s = any(p.statuses))"
    " and (%s or p.amount_changes) order by p.outgoing_postback_id for key share of p"
)
_CLICK_COLUMNS = (
    *("user_agent", "referrer", "country", "region", "city", "device", "os", "browser", "language"),
    *SUB_NAMES,
)
# Only names of ours are put in.
_CLICK = (
    f"select clicked_at, parameters, host(ip) as ip, {', '.join(_CLICK_COLUMNS)}"  # noqa: S608
    " from clicks where click_id = %s"
)
# RACE: the caller has locked the change, so nobody else plans its deliveries at the same time. Those planned before may
# be in another month's partition, so no key would find them.
_INSERT = (
    "insert into deliveries (outgoing_postback_id, change_id, conversion_id, click_id, event, facts)"
    " select planned.id, %(change_id)s, %(conversion_id)s, %(click_id)s, %(event)s, %(facts)s"
    " from unnest(%(outgoing_postback_ids)s::bigint[]) as planned (id) where not exists (select from deliveries d"
    " where d.outgoing_postback_id = planned.id and d.change_id = %(change_id)s) order by planned.id"
)


class _Conversion(NamedTuple):
    click_id: UUID
    event: str
    order_id: str | None
    country: str | None
    link_id: int | None
    slug: str | None
    source: str | None
    commission_minor: int | None
    commission_currency: str | None


def plan_deliveries(connection: Connection, change: Change) -> int:
    """Insert the deliveries of a change, once each however often it is called; return how many are new.

    The caller wakes the dispatchers once its transaction is committed: worker.outgoing.wake_dispatchers.
    """
    has_new_status = change.from_status != change.to_status
    found = connection.execute(_MATCHING, [change.conversion_id, change.to_status, has_new_status]).fetchall()
    if not found:
        return 0
    conversion = _Conversion(*found[0][1:])
    facts = conversion_facts(_of_conversion(change, conversion), _of_click(connection, conversion.click_id))
    planned = connection.execute(
        _INSERT,
        {
            "outgoing_postback_ids": [row[0] for row in found],
            "change_id": change.change_id,
            "conversion_id": change.conversion_id,
            "click_id": conversion.click_id,
            "event": conversion.event,
            "facts": Jsonb(facts),
        },
    )
    return planned.rowcount


def _of_conversion(change: Change, conversion: _Conversion) -> dict[str, Any]:
    return {
        "conversion_id": str(change.conversion_id),
        "click_id": str(conversion.click_id),
        "event": conversion.event,
        "status": change.to_status,
        "previous_status": change.from_status,
        "payout_minor": change.to_payout_minor,
        "currency": change.to_currency,
        "order_id": conversion.order_id,
        "timestamp": int(change.changed_at.timestamp()),
        "country": conversion.country,
        "link_id": conversion.link_id,
        "slug": conversion.slug,
        "source": conversion.source,
        "commission_minor": conversion.commission_minor,
        "commission_currency": conversion.commission_currency,
    }


def _of_click(connection: Connection, click_id: UUID) -> dict[str, Any]:
    """Return the facts of a click. The query is planned with its id, so that it opens one partition, not all."""
    row = connection.execute(_CLICK, [click_id], prepare=False).fetchone()
    if row is None:
        return {}
    clicked_at, parameters, ip, *others = row
    return {
        "click_timestamp": int(clicked_at.timestamp()),
        "ip": ip,
        "parameters": parameters,
        **dict(zip(_CLICK_COLUMNS, others, strict=True)),
    }
