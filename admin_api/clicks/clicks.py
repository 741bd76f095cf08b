"""One click with everything that was reported about it, as it is stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import LiteralString, TypeVar
from uuid import UUID

import falcon

from admin_api.clicks.click_objects import Click, ClickConversion, ClickDetails, ClickPostback
from admin_api.http import NotFoundError, operation
from admin_api.routing import load_decision
from admin_api.runtime import Database, Pool
from config.tables import clicks, postbacks, retention
from tracking.clicks import clicked_at, parse_click_id

_Found = TypeVar("_Found")
# The limit of postbacks and of conversions. A click with thousands of postbacks is an attack, and a page shows that.
ROWS_MAX = 1000
_CLICK: LiteralString = f"select {clicks.SHOWN}, c.erased_at from clicks c where c.click_id = %s"  # noqa: S608
_POSTBACKS: LiteralString = (
    f"select {postbacks.SHOWN} from postbacks where click_id = %s"  # noqa: S608
    " order by received_at, postback_id limit %s"
)
_CONVERSIONS = """
    select conversion_id, merchant_id, link_id, event, order_id, status, reason, payout_minor, currency, authenticated,
        received_at, updated_at
    from conversions where click_id = %s order by received_at, conversion_id limit %s
"""


class ClickItem:
    """A click by its id. A forged id is refused without a query."""

    def __init__(self, pool: Pool, click_id_keys: Sequence[bytes]) -> None:
        self._pool = pool
        self._keys = click_id_keys

    @operation("Show a click", not_found=("unknown-click", "click-not-stored", "click-dropped"))
    def on_get(self, req: falcon.Request, resp: falcon.Response, click_id: str) -> ClickDetails:
        """The answer has its postbacks and its conversions."""
        return require_click(self._pool, self._keys, click_id, load_click)


def require_click(
    pool: Pool, keys: Sequence[bytes], click_id: str, load: Callable[[Database, UUID], _Found | None]
) -> _Found:
    """Return what `load` finds about a click. Raises NotFoundError if the id is not ours or nothing is stored."""
    genuine = parse_click_id(click_id, keys)
    if genuine is None:
        raise NotFoundError("this is not a click id that Waypost made", code="unknown-click")
    with pool.connection() as database:
        found = load(database, genuine)
        if found is None and is_dropped(database, genuine):
            raise NotFoundError("this click was dropped: it was older than clicks are kept", code="click-dropped")
    if found is None:
        raise NotFoundError("this click is not stored, or not yet; try again shortly", code="click-not-stored")
    return found


def is_dropped(database: Database, click_id: UUID) -> bool:
    """Whether a click that is not stored was dropped by retention."""
    row = database.execute(retention.CLICKS_DROPPED_BEFORE).fetchone()
    return row is not None and row["dropped_before"] is not None and clicked_at(click_id) < row["dropped_before"]


def load_click(database: Database, click_id: UUID) -> ClickDetails | None:
    """Return a click with its postbacks and conversions from one state of the database, or None."""
    with database.transaction():
        database.execute("set transaction isolation level repeatable read, read only")
        # The query is planned with its value: a plan for any value would prepare to look at every day.
        click = database.execute(_CLICK, [click_id], prepare=False).fetchone()
        if click is None:
            return None
        decision = load_decision(database, click)
        postbacks = database.execute(_POSTBACKS, [click_id, ROWS_MAX + 1]).fetchall()
        conversions = database.execute(_CONVERSIONS, [click_id, ROWS_MAX + 1]).fetchall()
    found = {"postbacks": postbacks, "conversions": conversions}
    return ClickDetails.of(
        {"click": Click.of(click), "decision": decision},
        postbacks=list(map(ClickPostback.of_row, postbacks[:ROWS_MAX])),
        conversions=list(map(ClickConversion.of_row, conversions[:ROWS_MAX])),
        cut=[name for name, rows in found.items() if len(rows) > ROWS_MAX],
    )
