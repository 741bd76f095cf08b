"""The list of clicks, the newest first, with the filters of reports: what a row of a report counts, one by one.

PERF: clicks are partitioned by their ids, which begin with the time, so the order of ids is read from the primary key
of the newest days until the page is full. Only filters on links, sources and merchants have an index (clicks_by_link);
with others, rows that do not match are read and passed over. Whatever takes too long is refused.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, LiteralString, cast
from uuid import UUID

import falcon
import psycopg
from psycopg import sql
from pydantic import Field, create_model

from admin_api.http import (
    ConflictError,
    Page,
    Place,
    Shown,
    TimedPageQuery,
    caller_of,
    encode_place,
    operation,
    page_of,
)
from admin_api.reports import (
    FILTERS,
    PERIOD,
    Parameters,
    Selection,
    UsualNow,
    Viewer,
    click_conditions,
    parse_selection,
    query_of,
)
from admin_api.runtime import Database, Pool, Row
from tracking.clicks import SUB_NAMES
from tracking.traffic import TrafficClass

# More links than this are not looked up one by one.
LINKS_MAX = 2000
_COST_DIGITS = 6
_PAGE = ("limit", "cursor")
_OWNED: LiteralString = """
    select link_id from links where {column} = any (%(values)s)
    union select link_id from link_history where {column} = any (%(values)s)
    limit %(limit)s
"""


class _ClickFacts(Shown):
    click_id: UUID
    """All of the click is at /v1/clicks/{click_id}."""
    clicked_at: datetime
    kind: TrafficClass = Field(alias="class")
    """The kind of request. Only requests that are `valid` count as clicks."""
    is_unique: bool
    link_id: int
    profile_id: int
    merchant_id: int | None
    """The merchant that the link belonged to when it was clicked."""
    source_id: int | None
    """The source that the link belonged to when it was clicked."""
    rule_id: int | None
    destination_id: int | None
    country: str | None
    region: str | None
    city: str | None
    device: str | None
    os: str | None
    browser: str | None
    language: str | None
    referrer_host: str | None
    ip: str | None
    """The visitor's address, or the network of a truncated one, if it was kept."""
    user_agent: str
    cost: str | None
    """What the click cost, as its request said. Null if it said nothing, and for whoever may not see it."""
    campaign: str | None
    external_id: str | None
    location: str
    """Where the visitor was sent."""


ListedClick: type[Shown] = create_model(
    "ListedClick",
    __base__=_ClickFacts,
    __doc__="A click in a list. What is not known of it is null.",
    **cast("Any", dict.fromkeys(SUB_NAMES, (str | None, ...))),
)


class ListedClicks(Page[ListedClick]):  # type: ignore[valid-type]
    """Clicks, the newest first."""


_Filters = query_of(
    "ClickFilters", "Which clicks.", PERIOD, {name: each for name, each in FILTERS.items() if name != "event"}
)


class ClicksQuery(_Filters, TimedPageQuery):  # type: ignore[misc,valid-type]
    """Which clicks, and the page."""


class Clicks:
    """The list of clicks as a resource."""

    def __init__(self, pool: Pool, usual: UsualNow, timeout_s: float) -> None:
        self._pool = pool
        self._usual = usual
        self._timeout_s = timeout_s

    @operation("List clicks", types={"query": ClicksQuery}, conflicts=("too-much",))
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: Any) -> ListedClicks:
        """The newest come first. The filters are those of reports, and rows of reports have the path to their clicks.
        Without days, the clicks of the last 30 are meant.
        """
        viewer = Viewer.of(caller_of(req))
        stated = {name: text for name, text in query.stated().items() if name not in _PAGE}
        selection = parse_selection(stated, viewer, self._usual())
        try:
            with self._pool.connection() as database, database.transaction():
                _set_limits(database, self._timeout_s)
                rows = load_clicks(database, selection, query.cursor, query.limit + 1)
        except psycopg.errors.QueryCanceled:
            raise ConflictError(
                f"no page of these clicks was found within {self._timeout_s:g} s, since few clicks match; ask for fewer"
                " days, or name a link, a source or a merchant too",
                code="too-much",
            ) from None
        shown: ListedClicks = page_of(  # type: ignore[assignment]
            ListedClicks,
            rows,
            query.limit,
            lambda row: _shown(row, viewer),
            lambda row: encode_place(row["clicked_at"], row["click_id"]),
        )
        return shown


def load_clicks(database: Database, selection: Selection, place: Place | None, limit: int) -> list[Row]:
    """Return up to `limit` clicks of a selection after a place, the newest first by their ids."""
    query, values = clicks_query(selection, place, limit, _links_of(database, selection))
    return database.execute(query, values, prepare=False).fetchall()


def clicks_query(
    selection: Selection, place: Place | None, limit: int, links: list[int] | None
) -> tuple[sql.SQL, dict[str, Any]]:
    """Return the query of a page and its values. `links` are the only links that can have such clicks, if known."""
    parameters = Parameters()
    conditions = click_conditions(selection, parameters)
    if links is not None:
        # PERF: the owner at the time of the click is computed for each row; this is what the index can find.
        conditions.append(f"link_id = any ({parameters.add(links, 'bigint[]')})")
    if place is not None:
        conditions.append(f"click_id < {parameters.add(place.row_id, 'uuid')}")
    columns = ", ".join(("host(ip) as ip" if name == "ip" else name) for name in _COLUMNS)
    query = (
        f"select {columns} from report_click_rows where {' and '.join(conditions)}"  # noqa: S608
        f" order by click_id desc limit {parameters.add(limit)}"
    )
    # Made of our own words; everything that was sent is a parameter.
    return sql.SQL(query), parameters.values


def _links_of(database: Database, selection: Selection) -> list[int] | None:
    """Return the links that ever belonged to the sources or merchants asked for; None if there are too many."""
    found: set[int] | None = None
    for each in selection.filters:
        if each.dimension not in ("source", "merchant") or each.without or 0 in each.values:
            continue
        statement = sql.SQL(_OWNED).format(column=sql.Identifier(f"{each.dimension}_id"))
        rows = database.execute(statement, {"values": list(each.values), "limit": LINKS_MAX + 1}).fetchall()
        if len(rows) <= LINKS_MAX:
            links = {row["link_id"] for row in rows}
            found = links if found is None else found & links
    return None if found is None else sorted(found)


def _set_limits(database: Database, timeout_s: float) -> None:
    # PERF: a page is a few rows from an index; compiling the query would take longer than running it.
    database.execute(
        "set transaction read only; set local jit = off; set local max_parallel_workers_per_gather = 0;"
        f" set local statement_timeout = {int(timeout_s * 1000)}"
    )


_OF_OTHERS = ("rule_id", "destination_id", "cost")
_COLUMNS = ["cost_micro" if name == "cost" else field.alias or name for name, field in ListedClick.model_fields.items()]


def _shown(row: Row, viewer: Viewer) -> Shown:
    cost = row["cost_micro"] if viewer.sees_money else 0
    values = {name: None if value in (0, "") else value for name, value in row.items()}
    values |= {name: row[name] or "" for name in ("user_agent", "location")} | {"is_unique": row["is_unique"]}
    values["cost"] = format(Decimal(cost).scaleb(-_COST_DIGITS).normalize(), "f") if cost else None
    if viewer.of_partner:
        # SECURITY: how a link decides, and what its traffic cost, is no business of a partner's.
        values |= dict.fromkeys(_OF_OTHERS)
    return ListedClick.of(values)
