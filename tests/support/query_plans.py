"""How PostgreSQL runs a query on a database that a test module fills once: the indexes and how many rows it reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from psycopg import sql

from admin_api.runtime import Database


class Plan(NamedTuple):
    """A query as it was run: the kinds of its steps, the indexes used, and the rows that were read or thrown away.

    Empty partitions, which are read without an index, are left out, and an index is named as that of the whole table.
    """

    kinds: set[str]
    indexes: set[str]
    rows_read: int


def plan_of(database: Database, query: sql.Composable, values: Any) -> Plan:
    """Run a query, planned with its values, and return how."""
    explain = sql.SQL("explain (analyze, format json) {}").format(query)
    explained = database.execute(explain, values, prepare=False).fetchone()
    assert explained is not None
    # A step that was never run, such as a subquery that no row needed, costs nothing.
    nodes = [node for node in _nodes(explained["QUERY PLAN"][0]["Plan"]) if node["Actual Loops"]]
    scans = [node for node in nodes if "Scan" in node["Node Type"]]
    return Plan(
        {node["Node Type"] for node in nodes},
        {node["Index Name"].removesuffix("_old") for node in scans if "Index Name" in node},
        int(sum(map(_rows_read, scans))),
    )


def _rows_read(node: dict[str, Any]) -> float:
    read: float = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
    return read


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    of_partitions = node["Node Type"] in ("Append", "Merge Append")
    for inner in node.get("Plans", ()):
        nodes = list(_nodes(inner))
        if not (of_partitions and nodes[-1]["Node Type"] == "Seq Scan" and not _rows_read(nodes[-1])):
            yield from nodes
