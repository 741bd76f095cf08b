"""The table of caps, with the conversions that the workers counted. SQL only."""

from __future__ import annotations

from psycopg import sql

from admin_api.http import Chosen
from admin_api.runtime import Database, Row


def load_caps(database: Database, chosen: Chosen, after: int, limit: int) -> list[Row]:
    """Return up to `limit` caps with ids above `after`, in the order of their ids."""
    query = sql.SQL(
        "select caps.cap_id, link_id, rotation_id, destination_id, counted, per, cap_limit,"
        " coalesce(time_zone, 'UTC') as time_zone, extract(epoch from starts_at)::bigint as counted_start_s,"
        " conversions, reached_at from caps left join cap_conversions using (cap_id) {} order by cap_id limit %(limit)s"
    ).format(chosen.where(sql.SQL("caps.cap_id > %(after)s")))
    return database.execute(query, {**chosen.values, "after": after, "limit": limit}, prepare=False).fetchall()
