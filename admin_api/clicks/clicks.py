"""One click with everything reported about it, as it is stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from uuid import UUID

import falcon

from admin_api.http import NotFoundError, Route
from admin_api.runtime import Database, Pool, Row
from tracking.clicks import SUB_NAMES, parse_click_id
from tracking.money import format_amount

_Found = TypeVar("_Found")
# Only names of ours are put in.
_CLICK = f"""
    select click_id, clicked_at, link_id, profile_id, slug, class, {", ".join(SUB_NAMES)}, parameters, query, method,
        host, host(ip) as ip, user_agent, referrer, accept_language, location, config_version, spool_id, spool_number,
        stored_at
    from clicks where click_id = %s
"""  # noqa: S608
_POSTBACKS = """
    select postback_id, received_at, route, method, host, query, content_type, body, host(ip) as ip, user_agent,
        merchant_id, authenticated, event, order_id, status_sent, payout_minor, currency, answered, outcome, reason,
        detail, conversion_id, stored_at
    from postbacks where click_id = %s order by received_at, postback_id
"""
_CONVERSIONS = """
    select conversion_id, merchant_id, link_id, event, order_id, status, reason, payout_minor, currency, authenticated,
        received_at, updated_at
    from conversions where click_id = %s order by received_at, conversion_id
"""


class ClickItem:
    """A click by its id. A forged id is refused without a query."""

    def __init__(self, pool: Pool, click_id_keys: Sequence[bytes]) -> None:
        self._pool = pool
        self._keys = click_id_keys

    def on_get(self, req: falcon.Request, resp: falcon.Response, click_id: str) -> None:
        """Show the click, its postbacks and its conversions."""
        resp.media = require_click(self._pool, self._keys, click_id, load_click)


def require_click(
    pool: Pool, keys: Sequence[bytes], click_id: str, load: Callable[[Database, UUID], _Found | None]
) -> _Found:
    """Return what `load` finds of a click. Raises NotFoundError: the id is none of ours, or nothing is stored of it."""
    genuine = parse_click_id(click_id, keys)
    if genuine is None:
        raise NotFoundError("this is not a click id that Waypost made", code="unknown-click")
    with pool.connection() as database:
        found = load(database, genuine)
    if found is None:
        raise NotFoundError("this click is not stored, or not yet; try again shortly", code="click-not-stored")
    return found


def load_click(database: Database, click_id: UUID) -> dict[str, Any] | None:
    """Return a click with its postbacks and conversions, all of one moment, or None."""
    with database.transaction():
        database.execute("set transaction isolation level repeatable read, read only")
        click = database.execute(_CLICK, [click_id]).fetchone()
        if click is None:
            return None
        postbacks = database.execute(_POSTBACKS, [click_id]).fetchall()
        conversions = database.execute(_CONVERSIONS, [click_id]).fetchall()
    return {
        "click": click,
        "postbacks": [_with_payout(row) for row in postbacks],
        "conversions": [_with_payout(row) for row in conversions],
    }


def _with_payout(row: Row) -> Row:
    """Add the amount in major units as a JSON number; `payout_minor` is the exact one."""
    minor, currency = row["payout_minor"], row["currency"]
    has_amount = minor is not None and currency is not None
    return row | {"payout": float(format_amount(minor, currency)) if has_amount else None}


def click_routes(pool: Pool, click_id_keys: Sequence[bytes]) -> list[Route]:
    """Return the routes of clicks."""
    return [Route("/v1/clicks/{click_id}", ClickItem(pool, click_id_keys))]
