"""Exports links as CSV or JSON, written while they are read. What is exported can be imported again as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, LiteralString

import falcon
import orjson
from psycopg import sql
from pydantic import Field

from admin_api.bulk_links.import_settings import LINK_FIELDS, REFERENCES
from admin_api.configuration import LinkFilter
from admin_api.http import Chosen, csv_pieces, operation
from admin_api.resources import Addresses
from admin_api.runtime import Pool, Row

ROWS_AT_ONCE = 2000
_LINKS: LiteralString = (
    "select links.*, profiles.domain, profiles.domain as profile, merchants.name as merchant, sources.name as source,"
    " commission_plans.name as plan from links left join profiles using (profile_id) join merchants on"
    " merchants.merchant_id = links.merchant_id left join sources on sources.source_id = links.source_id"
    " left join commission_plans on commission_plans.plan_id = links.plan_id"
)


class ExportQuery(LinkFilter):
    """The links to export, and how they name what they refer to."""

    references: Annotated[
        Literal["ids", "names"], Field(description="Whether links name what they refer to by number, or by name.")
    ] = "ids"


def exported_fields(references: str) -> list[str]:
    """Return the fields of an export, in order."""
    fields = ["link_id", *LINK_FIELDS]
    if references == "names":
        fields = [name.removesuffix("_id") if name.removesuffix("_id") in REFERENCES else name for name in fields]
    return [*fields, "url"]


def csv_text(value: Any) -> str | None:
    """Return a value of a link as the text of a cell, which an import reads back."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(value)
    if isinstance(value, Mapping):
        return orjson.dumps(value).decode()
    return None if value is None else str(value)


class LinkExport:
    """Links as a file."""

    def __init__(self, pool: Pool, addresses: Addresses) -> None:
        self._pool = pool
        self._addresses = addresses

    def _rows(self, chosen: Chosen, fields: list[str]) -> Iterator[dict[str, Any]]:
        """Yield links in the order of their numbers. A slow client holds no connection while it reads."""
        after = 0
        query = sql.SQL("{} {} order by links.link_id limit {}").format(
            sql.SQL(_LINKS), chosen.where(sql.SQL("links.link_id > %(after)s")), sql.Literal(ROWS_AT_ONCE)
        )
        while True:
            with self._pool.connection() as database:
                rows: list[Row] = database.execute(query, {**chosen.values, "after": after}).fetchall()
            for row in rows:
                shown = {**row, "url": self._addresses.link_url(row["domain"], row["slug"])}
                yield {name: shown[name] for name in fields}
            if len(rows) < ROWS_AT_ONCE:
                return
            after = rows[-1]["link_id"]


class LinkCsv(LinkExport):
    """Links as a CSV file."""

    @operation("Export links as CSV", produces="text/csv")
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: ExportQuery) -> None:
        """The file is CSV in UTF-8, with the links that the filters find, in the order of their ids."""
        fields = exported_fields(query.references)
        resp.content_type = "text/csv; charset=utf-8; header=present"
        resp.downloadable_as = "links.csv"
        rows = self._rows(query.chosen(), fields)
        resp.stream = csv_pieces(fields, ([csv_text(value) for value in row.values()] for row in rows))


class LinkJson(LinkExport):
    """Links as a JSON file."""

    @operation("Export links as JSON", produces="application/x-ndjson")
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: ExportQuery) -> None:
        """The file has a JSON object on each line, for the links that the filters find, in the order of their ids."""
        fields = exported_fields(query.references)
        resp.content_type = "application/x-ndjson"
        resp.downloadable_as = "links.ndjson"
        resp.stream = (orjson.dumps(row) + b"\n" for row in self._rows(query.chosen(), fields))
