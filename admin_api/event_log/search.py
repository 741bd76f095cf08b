"""Finds the clicks that a question may mean: by id, by order id, or by address and time. SQL only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any, LiteralString
from uuid import UUID

from admin_api.runtime import Database, Row
from config.tables import postbacks
from tracking.clicks import clicked_at, first_click_id
from tracking.visitors import address_range, visitor_key

CANDIDATES_MAX = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIELDS: LiteralString = "click_id, clicked_at, link_id, slug, class, host(ip) as ip, user_agent"
# Both conversions and postbacks name the order. A postback does so even if it made no conversion.
_BY_ORDER = """
    select click_id from conversions where order_id = %(order_id)s
    union select click_id from postbacks where order_id = %(order_id)s and click_id is not null
    order by click_id desc limit %(limit)s
"""
# There is one query per click, planned with its value, so that each looks at the partition of one day.
_CLICK: LiteralString = f"select {_FIELDS} from clicks where click_id = %s"  # noqa: S608
_UNMATCHED: LiteralString = f"""
    select {postbacks.SHOWN} from postbacks where order_id = %s and click_id is null
    order by received_at desc, postback_id desc limit %s
"""  # noqa: S608
# A click id begins with its time, so the given minutes are a range of the primary key in one or two days.
# A truncated address is a network, which may hold the one that is asked for. A visitor's number begins with a hash of
# the whole address, however that is stored.
_BY_ADDRESS: LiteralString = f"""
    select {_FIELDS}, case when ip <<= %(network)s::inet then 'address' when numbers is not null then 'visitor'
        else 'network' end as found_by
    from clicks left join unnest(%(lowest)s::bigint[], %(highest)s::bigint[]) as numbers (lowest, highest)
        on visitor between lowest and highest
    where click_id >= %(low)s and click_id < %(high)s and (ip && %(network)s::inet or numbers is not null)
    order by click_id desc limit %(limit)s
"""  # noqa: S608


def find_click(database: Database, click_id: UUID) -> Row:
    """Return a click. If it is not stored, only its id and the time in the id are known."""
    row = database.execute(_CLICK, [click_id], prepare=False).fetchone()
    if row is not None:
        return {**row, "found_by": None}
    unknown = dict.fromkeys(("link_id", "slug", "class", "ip", "user_agent", "found_by"))
    return {"click_id": click_id, "clicked_at": clicked_at(click_id), **unknown}


def clicks_of_order(database: Database, order_id: str) -> list[Row]:
    """Return the clicks that conversions or postbacks of an order name, the newest first, even if not stored."""
    rows = database.execute(_BY_ORDER, {"order_id": order_id, "limit": CANDIDATES_MAX + 1}).fetchall()
    return [find_click(database, row["click_id"]) for row in rows]


def postbacks_without_click(database: Database, order_id: str) -> list[Row]:
    """Return the postbacks of an order that name no click, the newest first."""
    return database.execute(_UNMATCHED, [order_id, CANDIDATES_MAX]).fetchall()


def clicks_of_address(
    database: Database, network: str, keys: Sequence[bytes], at: datetime, within: timedelta
) -> list[Row]:
    """Return the clicks from an address or network at about a moment, the newest first, with how each was found.

    `keys` are those of click ids: visitor numbers are made with keys derived from them.
    """
    query, values = address_query(network, keys, at, within)
    return database.execute(query, values, prepare=False).fetchall()


def address_query(
    network: str, keys: Sequence[bytes], at: datetime, within: timedelta
) -> tuple[LiteralString, Mapping[str, Any]]:
    """Return the query by address and its values."""
    bounds = {"low": first_click_id(max(at - within, _EPOCH)), "high": first_click_id(at + within)}
    asked = ip_network(network)
    # Of a network with several addresses, no number is known.
    ranges = [address_range(str(asked[0]), visitor_key(key)) for key in keys] if asked.num_addresses == 1 else []
    numbers = {"lowest": [lowest for lowest, _ in ranges], "highest": [highest for _, highest in ranges]}
    return _BY_ADDRESS, {**bounds, **numbers, "network": network, "limit": CANDIDATES_MAX + 1}
