"""Rotations: destinations under one name that many links share. A change of one is live everywhere at once."""

from __future__ import annotations

from typing import Annotated, Literal, LiteralString

from psycopg.types.json import Jsonb
from pydantic import Field

from admin_api.http import Body, Text, Values
from admin_api.resources import Resource, insert, refuse_if_named
from admin_api.routing.conditions import TimeZone
from admin_api.routing.document import DESTINATIONS_MAX, RotationDestinationFields
from admin_api.routing.loops import refuse_rotation_loop
from admin_api.routing.preparation import prepared_rotation
from admin_api.routing.shown import shown_like
from admin_api.runtime import Database, Row
from config.configuration import rotation_key


class RotationFields(Body):
    """What a client may set of a rotation."""

    name: Annotated[str, Text(200)]
    """The name that operators use."""
    destinations: Annotated[list[RotationDestinationFields], Field(min_length=1, max_length=DESTINATIONS_MAX)]
    """Where it leads, by weights."""
    assignment: Literal["sticky", "random"] = "sticky"
    """Whether a visitor always gets the same destination (by address and user agent), or a random one each time."""
    time_zone: TimeZone | None = None
    """The time zone of its caps, such as `Europe/Berlin`; that of the installation if it is left out."""


def _prepare(database: Database, values: Values, before: Row | None) -> Values:
    if "destinations" not in values:
        return values
    destinations = prepared_rotation(database, values["destinations"], before)
    if before is not None and before["destinations"] == destinations:
        return {name: value for name, value in values.items() if name != "destinations"}
    # A list would become an array, and the column is JSON.
    return values | {"destinations": Jsonb(destinations)}


_USERS: dict[str, LiteralString] = {
    "links": "from link_rotations join links using (link_id) where rotation_id = %s and archived_at is null"
}
ROTATIONS: Resource = Resource(
    singular="rotation",
    plural="rotations",
    id_name="rotation_id",
    description="Destinations with weights under one name, which the rules of many links can use.",
    fields=RotationFields,
    select="select * from rotations",
    prepare=_prepare,
    check=refuse_rotation_loop,
    create=lambda database, values, addresses: insert(database, ROTATIONS, values),
    in_use="rules of links still use this rotation; take it out of them first",
    archivable=True,
    refuse_archive=lambda database, row: refuse_if_named(database, row["rotation_id"], _USERS),
    keys=lambda row: [rotation_key(row["rotation_id"])],
    shown_types={"destinations": list[shown_like(RotationDestinationFields)]},  # type: ignore[misc]
)
