"""How much disk the tables of reports and the single clicks take."""

from __future__ import annotations

from typing import Any

from psycopg import Connection

_SIZES = """
select case when relname like 'clicks\\_%' then 'clicks' else relname end as name,
    sum(pg_table_size(oid))::bigint, sum(pg_indexes_size(oid))::bigint, sum(greatest(reltuples, 0))::bigint
from pg_class
where relkind = 'r' and relnamespace = 'public'::regnamespace
    and (relname like 'report\\_%' or relname like 'clicks\\_%' or relname in ('conversions', 'entries'))
group by 1 having sum(pg_total_relation_size(oid)) > 1000000 order by sum(pg_total_relation_size(oid)) desc
"""


def sizes(connection: Connection[Any]) -> list[dict[str, Any]]:
    """Return the tables by size, the largest first: bytes of the table and of its indexes, and about how many rows."""
    rows = connection.execute(_SIZES).fetchall()
    return [dict(zip(("table", "table_bytes", "index_bytes", "rows"), row, strict=True)) for row in rows]
