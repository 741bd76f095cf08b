"""The operator's lists: networks and autonomous systems of data centres, and parts of user agents.

A change makes the stored clicks be classed anew: the workers compare the revision.
"""

from __future__ import annotations

from datetime import datetime
from ipaddress import ip_network
from typing import Annotated, Any, LiteralString

import falcon
from psycopg import sql
from pydantic import Field

from admin_api.http import Body, Revisions, Shown, Text, actor_of, changes_of, checked, operation, require_revision
from admin_api.runtime import Pool, Row
from tracking.runtime import FieldError

NETWORKS_MAX = 50_000
AGENTS_MAX = 1000
AGENT_CHARACTERS_MAX = 200
ASN_MAX = 2**32 - 1
_COLUMNS: LiteralString = "revision, networks::text[], asns, bot_agents, exempt_agents, changed_by, changed_at"
_LOAD: LiteralString = f"select {_COLUMNS} from traffic_lists"  # noqa: S608
_CHANGE: LiteralString = (
    "update traffic_lists set {}, revision = revision + 1, changed_by = %(actor)s, changed_at = now()"  # noqa: S608
    f" returning {_COLUMNS}"
)
_TYPES = {"networks": "cidr[]", "asns": "bigint[]", "bot_agents": "text[]", "exempt_agents": "text[]"}


def _networks(given: list[str], field: str) -> list[str]:
    try:
        # PostgreSQL takes no zones.
        return sorted({str(ip_network(each.strip() if "%" not in each else "")) for each in given})
    except ValueError as error:
        raise FieldError(field, f"{field} must hold networks such as 203.0.113.0/24: {str(error)[:80]}") from error


AgentParts = Annotated[list[Annotated[str, Text(AGENT_CHARACTERS_MAX, 3)]], Field(max_length=AGENTS_MAX)]


class TrafficListFields(Body):
    """The lists, as a client may set them. A list that is given replaces the one there was."""

    networks: Annotated[list[str], Field(max_length=NETWORKS_MAX), checked(_networks)] = []
    """Networks of data centres."""
    asns: Annotated[list[Annotated[int, Field(ge=1, le=ASN_MAX)]], Field(max_length=NETWORKS_MAX)] = []
    """Numbers of autonomous systems of data centres."""
    bot_agents: AgentParts = []
    """A user agent that has one of these in it is a bot's. Upper and lower case are the same."""
    exempt_agents: AgentParts = []
    """A user agent that has one of these in it is no bot's, whatever else is in it."""


class TrafficLists(Shown):
    """The lists. They come on top of the built-in patterns of bots, and of the Anonymous-IP database."""

    revision: int
    """It grows with each change, and is the ETag."""
    networks: list[str]
    asns: list[int]
    bot_agents: list[str]
    exempt_agents: list[str]
    changed_by: str | None
    """The name of the API token of the last change; null before the first."""
    changed_at: datetime


class TrafficListItem:
    """The lists as a resource."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Show the lists of traffic", versioned=True)
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> TrafficLists:
        """The answer has all four lists."""
        with self._pool.connection() as database:
            row = database.execute(_LOAD).fetchone()
        return _show(resp, row)

    @operation("Change the lists of traffic", types={"body": changes_of(TrafficListFields)}, versioned=True)
    def on_patch(self, req: falcon.Request, resp: falcon.Response, body: Body, allowed: Revisions) -> TrafficLists:
        """New clicks are classed by the changed lists at once; the stored ones are classed anew in the background."""
        changes: dict[str, Any] = dict(body.changes())
        with self._pool.connection() as database, database.transaction():
            row = database.execute(sql.SQL(_LOAD + " for update")).fetchone()
            assert row is not None
            require_revision(row["revision"], allowed, "list")
            changed = {name: value for name, value in changes.items() if value != row[name]}
            if changed:
                fields = sql.SQL(", ").join(
                    sql.SQL("{} = {}::{}").format(sql.Identifier(name), sql.Placeholder(name), sql.SQL(_TYPES[name]))
                    for name in changed
                )
                update = sql.SQL(_CHANGE).format(fields)
                row = database.execute(update, {**changed, "actor": actor_of(req)}).fetchone()
        return _show(resp, row)


def _show(resp: falcon.Response, row: Row | None) -> TrafficLists:
    assert row is not None
    resp.etag = str(row["revision"])
    return TrafficLists.of(row)
