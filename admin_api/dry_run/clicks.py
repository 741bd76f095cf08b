"""Reads the newest clicks of a link or of a profile, a part at a time, with what they earned. SQL only."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, LiteralString, NamedTuple

import orjson
from psycopg import sql
from psycopg.rows import tuple_row
from psycopg.types.json import set_json_loads

from admin_api.dry_run.objects import DryRun
from admin_api.runtime import Database

ROWS_PER_FETCH = 2000
STATEMENT_TIMEOUT = "10s"
# Conversions that count as revenue: those that are or may become money.
_CONVERTED: LiteralString = """
    left join lateral (
        select jsonb_agg(jsonb_build_array(v.currency, v.payout_minor)) as converted from conversions v
        where v.click_id = c.click_id and v.status in ('approved', 'pending') and v.payout_minor is not null
    ) earned on true
"""
# Null unless the address was stored whole: a truncated one is a network.
_ADDRESS: LiteralString = "case when masklen(c.ip) = case family(c.ip) when 4 then 32 else 128 end then host(c.ip) end"


class Wanted(NamedTuple):
    """Which clicks: those of a link, or of a profile, that a dry run asks for."""

    link_id: int
    profile_id: int | None
    asked: DryRun


def stream_clicks(database: Database, wanted: Wanted, columns: Collection[str]) -> Iterator[tuple[Any, ...]]:
    """Yield clicks as tuples, the newest first: link_id, clicked_at, country, what converted, then `columns`.

    The column `address` is the address as text, null unless it is stored whole. It opens a transaction, so that all
    parts are of one state. Raises psycopg.errors.QueryCanceled if a part takes too long.
    """
    asked, by_profile = wanted.asked, wanted.profile_id is not None
    query = sql.SQL(
        "select c.link_id, c.clicked_at, c.country, earned.converted{} from clicks c {}"
        " where {}{}{}{} order by {} desc limit %(limit)s"
    ).format(
        sql.SQL("").join(sql.SQL(", {}").format(_column(column)) for column in columns),
        sql.SQL(_CONVERTED),
        sql.SQL("c.profile_id = %(profile_id)s" if by_profile else "c.link_id = %(link_id)s"),
        sql.SQL("" if asked.every_class else " and c.class = 'valid'"),
        sql.SQL(" and c.clicked_at >= %(from)s" if asked.from_ else ""),
        sql.SQL(" and c.clicked_at < %(to)s" if asked.to else ""),
        # A link has an index of its clicks by time. Of a profile, the newest clicks are read until there are enough.
        sql.SQL("c.click_id" if by_profile else "c.clicked_at"),
    )
    values = {
        "link_id": wanted.link_id,
        "profile_id": wanted.profile_id,
        "from": asked.from_,
        "to": asked.to,
        "limit": asked.clicks,
    }
    with database.transaction(), database.cursor(name="dry_run", row_factory=tuple_row) as cursor:
        database.execute("set transaction isolation level repeatable read, read only")
        database.execute(sql.SQL("set local statement_timeout = {}").format(sql.Literal(STATEMENT_TIMEOUT)))
        set_json_loads(orjson.loads, cursor)
        cursor.itersize = ROWS_PER_FETCH
        yield from cursor.execute(query, values)


def _column(name: str) -> sql.Composable:
    return sql.SQL(_ADDRESS) if name == "address" else sql.SQL("c.{}").format(sql.Identifier(name))
