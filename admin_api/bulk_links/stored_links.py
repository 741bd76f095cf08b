"""Finds links by number, or by profile and slug, many at a time. SQL only."""

from __future__ import annotations

from collections.abc import Collection
from typing import LiteralString

from psycopg import sql

from admin_api.runtime import Database, Row

# A profile's number, or None for links that answer on every host; and a slug.
Place = tuple[int | None, str]
_BY_ID: LiteralString = "select links.* from links where link_id = any(%s) order by link_id"
_BY_PLACE: LiteralString = (
    "select links.* from links join unnest(%s::bigint[], %s::text[]) as wanted (profile_id, slug)"
    " on links.profile_id = wanted.profile_id and links.slug = wanted.slug order by links.link_id"
)
_BY_SLUG: LiteralString = (
    "select links.* from links where profile_id is null and slug = any(%s::text[]) order by links.link_id"
)


def load_by_id(database: Database, link_ids: Collection[int], *, lock: bool) -> dict[int, Row]:
    """Return links by number. With `lock`, they stay locked until the transaction ends."""
    if not link_ids:
        return {}
    return {row["link_id"]: row for row in database.execute(_locking(_BY_ID, lock=lock), [list(link_ids)])}


def load_by_place(database: Database, places: Collection[Place], *, lock: bool) -> dict[Place, Row]:
    """Return links by profile and slug, as `load_by_id` does."""
    on_profiles = [(profile_id, slug) for profile_id, slug in places if profile_id is not None]
    anywhere = [slug for profile_id, slug in places if profile_id is None]
    rows: list[Row] = []
    if on_profiles:
        columns = [[profile_id for profile_id, _ in on_profiles], [slug for _, slug in on_profiles]]
        rows += database.execute(_locking(_BY_PLACE, lock=lock), columns).fetchall()
    if anywhere:
        rows += database.execute(_locking(_BY_SLUG, lock=lock), [anywhere]).fetchall()
    return {(row["profile_id"], row["slug"]): row for row in rows}


def _locking(query: LiteralString, *, lock: bool) -> sql.Composed:
    return sql.SQL("{} {}").format(sql.SQL(query), sql.SQL("for update of links" if lock else ""))
