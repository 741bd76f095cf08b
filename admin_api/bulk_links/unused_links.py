"""Deletes the links of a filter that nothing came of: no click and no conversion of them is stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from psycopg import sql
from psycopg.errors import ForeignKeyViolation

from admin_api.bulk_links.edit_objects import UnusedLinks
from admin_api.bulk_links.link_edits import links_found
from admin_api.bulk_links.saving import alone
from admin_api.configuration import LINKS, LinkFilter
from admin_api.http import ConflictError, preview_token, require_preview
from admin_api.runtime import Actor, Database, attributed, save_bulk_change
from config.configuration import link_key


class Unused(NamedTuple):
    """The links, and the token for exactly these in this state."""

    link_ids: Sequence[int]
    token: str


def delete_unused(database: Database, wanted: UnusedLinks, actor: Actor) -> Unused:
    """Preview which links are unused or, with the token of the preview, delete them.

    Raises FieldError, and ConflictError if the preview is outdated or another change of many links runs.
    """
    previewing = wanted.token is None
    unused = LinkFilter.model_validate({**wanted.filter.stated(), "used": False})
    older = sql.SQL("links.created_at <= now() - make_interval(days => {})").format(sql.Literal(wanted.older_than_days))
    with attributed(database, actor), alone(database, previewing=previewing):
        link_ids: list[int] = []
        lines, keys = ["delete unused"], []
        for rows in links_found(database, unused, older, lock=not previewing):
            link_ids += [row["link_id"] for row in rows]
            lines += [f"{row['link_id']}|{row['revision']}" for row in rows]
            keys += [link_key(row["profile_id"], row["slug"]) for row in rows]
        token = preview_token(lines)
        if wanted.token is not None:
            require_preview(wanted.token, token, f"{len(link_ids)} links are unused now")
            try:
                database.execute("delete from links where link_id = any(%s)", [link_ids])
            except ForeignKeyViolation as error:
                raise ConflictError(LINKS.in_use, code="in-use") from error
            save_bulk_change(database, keys)
    return Unused(link_ids, token)
