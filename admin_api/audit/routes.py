"""The list of the audit log. What is in it, migration 0024 decides; nobody can change it by the API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, LiteralString

import falcon
from psycopg import sql
from pydantic import Field

from admin_api.http import (
    Condition,
    Filter,
    Moment,
    Number,
    NumberedPageQuery,
    Page,
    Route,
    Shown,
    Text,
    operation,
    page_of,
)
from admin_api.runtime import Pool

NAME_CHARACTERS_MAX = 200
_Name = Annotated[str, Text(NAME_CHARACTERS_MAX)]
_SELECT: LiteralString = (
    "select audit_id, happened_at, user_id, token_id, actor, address, action, object, object_id, before, after"
    " from audit_log"
)


class AuditFilter(Filter):
    """The changes to find. All given filters must hold."""

    object: Annotated[_Name | None, Condition("object = %(object)s")] = None
    """The kind of object, such as `link` or `API token`."""
    object_id: Annotated[_Name | None, Condition("object_id = %(object_id)s")] = None
    """The number or the name of the object."""
    action: Annotated[Literal["create", "change", "delete"] | None, Condition("action = %(action)s")] = None
    """What was done."""
    user_id: Annotated[Number | None, Condition("user_id = %(user_id)s")] = None
    """The user who did it, also with an API token."""
    token_id: Annotated[Number | None, Condition("token_id = %(token_id)s")] = None
    """The API token with which it was done."""
    begins_at: Annotated[Moment | None, Condition("happened_at >= %(from)s"), Field(alias="from")] = None
    """Made at this moment or later; a day stands for its beginning."""
    ends_at: Annotated[Moment | None, Condition("happened_at < %(to)s"), Field(alias="to")] = None
    """Made before this moment; a day stands for its beginning."""


class AuditQuery(AuditFilter, NumberedPageQuery):
    """A page of the audit log."""


class AuditRecord(Shown):
    """One change of one object."""

    audit_id: int
    happened_at: datetime
    user_id: int | None
    """Who did it; null for the installation's own API token."""
    token_id: int | None
    """The API token with which it was done; null for a user in a browser."""
    actor: str
    """The name of the user or of the API token, as it was then."""
    address: str | None
    """Where the request came from."""
    action: Literal["create", "change", "delete"]
    object: str
    """The kind of object."""
    object_id: str
    """The number or the name of the object."""
    before: dict[str, Any] | None
    """The fields that were changed, as they were; all fields of what was deleted. Secrets are shown by a part of their
    hash."""
    after: dict[str, Any] | None
    """The same fields as they are since; all fields of what was created."""


class AuditLog:
    """All changes that people and API tokens made."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("List the audit log")
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: AuditQuery) -> Page[AuditRecord]:
        """The newest changes come first. A record is written in the transaction of its change, and never changed."""
        chosen = query.chosen()
        more = [] if query.cursor is None else [sql.SQL("audit_id < %(before)s")]
        statement = sql.SQL("{} {} order by audit_id desc limit %(limit)s").format(
            sql.SQL(_SELECT), chosen.where(*more)
        )
        values = {**chosen.values, "before": query.cursor, "limit": query.limit + 1}
        with self._pool.connection() as database:
            # Planned with its values: which index serves depends on the filters.
            rows = database.execute(statement, values, prepare=False).fetchall()
        return page_of(Page[AuditRecord], rows, query.limit, AuditRecord.of, lambda row: str(row["audit_id"]))


def audit_routes(pool: Pool) -> list[Route]:
    """Return the route of the audit log."""
    return [Route("/v1/audit", AuditLog(pool))]
