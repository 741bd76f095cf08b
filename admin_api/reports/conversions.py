"""The single conversions that a row of a report counts, the newest first."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import falcon
from pydantic import Field, create_model

from admin_api.http import Page, Place, Shown, TimedPageQuery, caller_of, encode_place, operation, page_of
from admin_api.reports.columns import STATUSES
from admin_api.reports.drill_down import conversion_conditions, moment_of
from admin_api.reports.parameters import Parameters
from admin_api.reports.parsing import UsualNow, parse_axis, parse_selection
from admin_api.reports.queries import ReportConversionsQuery
from admin_api.reports.question import Axis, Selection, Viewer
from admin_api.runtime import Database, Pool, Row
from tracking.money import format_amount
from tracking.reports import DIMENSIONS, DimensionKind

_SHOWN = [each for each in DIMENSIONS.values() if each.kind in (DimensionKind.ID, DimensionKind.TEXT)]
_STATUS = " ".join(f"when {name} = 1 then '{name}'" for name in STATUSES)
# One of a conversion's rows has its status: that of its own currency.
_HAS_STATUS = f"({' + '.join(STATUSES)}) = 1"
_AMOUNTS = (
    "select conversion_id, currency, revenue_minor, commission_minor from report_conversion_rows"
    " where conversion_id = any (%s) and (revenue_minor <> 0 or commission_minor <> 0) order by currency"
)


class ConversionAmount(Shown):
    """What a conversion came to in one currency, as reports count it."""

    currency: str
    revenue: str | None
    """What the merchant owes, in major units. Null for whoever may not see it."""
    commission: str | None
    """What the source earns."""


def _dimensions() -> dict[str, Any]:
    said = "Null if it is not known."
    return {
        each.name: ((int if each.kind is DimensionKind.ID else str) | None, Field(description=said)) for each in _SHOWN
    }


class _Facts(Shown):
    conversion_id: UUID
    click_id: UUID
    event: str
    order_id: str | None
    status: str
    clicked_at: datetime
    received_at: datetime
    amounts: list[ConversionAmount] | None
    """Null for whoever may not see money."""


ReportConversion: type[Shown] = create_model(
    "ReportConversion", __base__=_Facts, __doc__="A conversion with the dimensions of its click.", **_dimensions()
)


class ReportConversionPage(Page[ReportConversion]):  # type: ignore[valid-type]
    """Conversions of a row of a report."""


class _Query(ReportConversionsQuery, TimedPageQuery):  # type: ignore[misc,valid-type]
    """Whose conversions, and the page."""


class ReportConversions:
    """The conversions behind reports as a resource."""

    def __init__(self, pool: Pool, usual: UsualNow) -> None:
        self._pool = pool
        self._usual = usual

    @operation("List the conversions that a row of a report counts", types={"query": _Query})
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: Any) -> ReportConversionPage:
        """A row of a report has the path with all parameters. The newest come first, by the date that `by` names."""
        viewer = Viewer.of(caller_of(req))
        stated = {name: text for name, text in query.stated().items() if name not in ("by", "limit", "cursor")}
        by = parse_axis(query.by or Axis.CLICK, "by")
        selection = parse_selection(stated, viewer, self._usual())
        with self._pool.connection() as database:
            rows = _load(database, selection, by, query.cursor, query.limit + 1)
            amounts = _load_amounts(database, rows) if viewer.sees_money else None
        shown: ReportConversionPage = page_of(  # type: ignore[assignment]
            ReportConversionPage,
            rows,
            query.limit,
            lambda row: _shown(row, amounts, viewer),
            lambda row: encode_place(row[moment_of(by)], row["conversion_id"]),
        )
        return shown


def _load(database: Database, selection: Selection, by: Axis, place: Place | None, limit: int) -> list[Row]:
    parameters = Parameters()
    moment = moment_of(by)
    conditions = [*conversion_conditions(selection, by, parameters), _HAS_STATUS]
    if place is not None:
        conditions.append(f"({moment}, conversion_id) < ({parameters.add(place.at)}, {parameters.add(place.row_id)})")
    columns = ", ".join(f"{each.column} as {each.name}" for each in _SHOWN)
    query = (
        "select conversion_id, click_id, event, order_id, clicked_at, received_at,"  # noqa: S608
        f" case {_STATUS} end as status, {columns} from report_conversion_rows where {' and '.join(conditions)}"
        f" order by {moment} desc, conversion_id desc limit {parameters.add(limit)}"
    )
    return database.execute(query, parameters.values, prepare=False).fetchall()


def _load_amounts(database: Database, rows: list[Row]) -> dict[UUID, list[Row]]:
    found: dict[UUID, list[Row]] = {}
    for row in database.execute(_AMOUNTS, [[row["conversion_id"] for row in rows]], prepare=False):
        found.setdefault(row["conversion_id"], []).append(row)
    return found


def _shown(row: Row, amounts: dict[UUID, list[Row]] | None, viewer: Viewer) -> Shown:
    known: dict[str, Any] = {each.name: row[each.name] or None for each in _SHOWN}
    seen = None
    if amounts is not None:
        seen = [
            ConversionAmount(
                currency=each["currency"],
                revenue=None if viewer.of_partner else format_amount(each["revenue_minor"], each["currency"]),
                commission=format_amount(each["commission_minor"], each["currency"]),
            )
            for each in amounts.get(row["conversion_id"], ())
        ]
    return ReportConversion.of({**row, **known}, order_id=row["order_id"] or None, amounts=seen)
