"""Sources: where traffic comes from. A link shows its source's name at the edge, as the macro `{source}`."""

from __future__ import annotations

from typing import Annotated

from admin_api.http import Body, Matching, Text
from admin_api.resources import Resource, insert, refuse_if_named


class SourceFields(Body):
    """What a client may set of a source."""

    name: Annotated[str, Text(200)]
    """The name that operators use, which the macro `{source}` also stands for."""
    prefix: Annotated[str, Matching("[A-Z]{2,4}", "2 to 4 capital letters such as DP")] = "DP"
    """The text that the dynamic variable `{dyn}` begins with."""


SOURCES: Resource = Resource(
    singular="source",
    plural="sources",
    id_name="source_id",
    description="Where traffic comes from, and who earns its commissions.",
    fields=SourceFields,
    select="select * from sources",
    create=lambda database, values, addresses: insert(database, SOURCES, values),
    in_use="links, outgoing postbacks or entries still name this source; archive it instead",
    archivable=True,
    refuse_archive=lambda database, row: refuse_if_named(
        database, row["source_id"], {"links": "from links where source_id = %s and archived_at is null"}
    ),
    shown_by_links=True,
)
