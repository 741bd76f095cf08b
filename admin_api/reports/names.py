"""The names of the numbers in an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import LiteralString

from admin_api.reports.question import Question
from admin_api.reports.store import ReportRow
from admin_api.runtime import Database

Names = dict[str, dict[int, str]]
# Rules and destinations are parts of the documents of links and rotations.
_RULES: LiteralString = """
    select (rule ->> 'rule_id')::bigint as id, rule ->> 'name' as name
    from links cross join lateral jsonb_array_elements(links.routing -> 'rules') rule
    where links.routing is not null and (rule ->> 'rule_id')::bigint = any (%s)
"""
_DESTINATIONS: LiteralString = """
    select (place ->> 'destination_id')::bigint as id, place ->> 'name' as name
    from links cross join lateral jsonb_array_elements(links.routing -> 'rules') rule
        cross join lateral jsonb_array_elements(rule -> 'destinations') place
    where links.routing is not null and (place ->> 'destination_id')::bigint = any (%s)
"""
_OF_ROTATIONS: LiteralString = """
    union all select (place ->> 'destination_id')::bigint, place ->> 'name'
    from rotations cross join lateral jsonb_array_elements(rotations.destinations) place
    where (place ->> 'destination_id')::bigint = any (%s)
"""
_QUERIES: Mapping[str, LiteralString] = MappingProxyType(
    {
        "link": "select link_id as id, name from links where link_id = any (%s)",
        "profile": "select profile_id as id, name from profiles where profile_id = any (%s)",
        "merchant": "select merchant_id as id, name from merchants where merchant_id = any (%s)",
        "source": "select source_id as id, name from sources where source_id = any (%s)",
        "rule": _RULES,
        "destination": _DESTINATIONS + _OF_ROTATIONS,
    }
)
# SECURITY: how a link decides is no business of a partner's, who may read neither.
_OF_PARTNER = ("link", "merchant", "source")


def load_names(database: Database, question: Question, rows: Sequence[ReportRow]) -> Names:
    """Return the names of the ids of rows, by dimension. What was deleted has no name."""
    found: Names = {}
    for index, dimension in enumerate(question.group_by):
        query = _QUERIES.get(dimension)
        ids = sorted({int(row.key[index]) for row in rows} - {0}) if query else []
        if query is None or not ids or (question.viewer.of_partner and dimension not in _OF_PARTNER):
            continue
        values = [ids] * query.count("%s")
        named = database.execute(query, values, prepare=False).fetchall()
        found[dimension] = {row["id"]: row["name"] for row in named if row["name"]}
    return found
