"""Sources: where traffic comes from. A link shows its source's name at the edge, as the macro `{source}`."""

from __future__ import annotations

from admin_api.http import Field, matching, text
from admin_api.resources import Noun, insert

SOURCES: Noun = Noun(
    singular="source",
    plural="sources",
    id_name="source_id",
    fields=(
        Field("name", text(200)),
        Field("prefix", matching("[A-Z]{2,4}", "2 to 4 capital letters such as DP"), default="DP"),
    ),
    select="select * from sources",
    create=lambda database, values, addresses: insert(database, SOURCES, values),
    in_use="links still use this source; give them another source first",
    shown_by_links=True,
)
