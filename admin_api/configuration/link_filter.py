"""The filters by which links are listed, exported and changed, and what a tag is."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from admin_api.http import AnyOf, Condition, Flag, Matching, Moment, Number, SearchText, converted
from admin_api.resources import Archived, ArchivedFilter, archived_condition

LINK_IDS_MAX = 1000
# A comma separates tags in a query and in CSV.
_EDGE = r"[^\x00-\x20\x7f,\s]"


def _in_small_letters(tag: Any, field: str) -> Any:
    return tag.lower() if isinstance(tag, str) else tag


Tag = Annotated[
    str,
    converted(_in_small_letters),
    Matching(
        rf"{_EDGE}([^\x00-\x1f\x7f,]{{0,48}}{_EDGE})?", "1 to 50 characters without a comma, and no space at its ends"
    ),
]


class LinkFilter(ArchivedFilter):
    """The links to find. All given filters must hold."""

    link_id: Annotated[
        AnyOf[Number] | None, Condition("links.link_id = any(%(link_id)s)"), Field(max_length=LINK_IDS_MAX)
    ] = None
    """The link is any of these, of which there may be 1,000."""
    profile_id: Annotated[Number | None, Condition("links.profile_id = %(profile_id)s")] = None
    """The profile whose domain it is on."""
    merchant_id: Annotated[Number | None, Condition("links.merchant_id = %(merchant_id)s")] = None
    """The merchant who pays for its conversions."""
    source_id: Annotated[Number | None, Condition("links.source_id = %(source_id)s")] = None
    """The source of its traffic."""
    plan_id: Annotated[Number | None, Condition("links.plan_id = %(plan_id)s")] = None
    """Its own commission plan."""
    archived: Annotated[Archived, archived_condition("links")] = "false"
    """Whether to show what is archived: `true` for only that, `any` for everything."""
    active: Annotated[Flag | None, Condition("links.active = %(active)s")] = None
    """Whether it is active."""
    tag: Annotated[AnyOf[Tag] | None, Condition("links.tags @> %(tag)s::text[]")] = None
    """It has this tag; several, with commas between them, must all be there."""
    q: Annotated[
        SearchText | None,
        Condition("(strpos(lower(links.name), lower(%(q)s)) > 0 or strpos(lower(links.slug), lower(%(q)s)) > 0)"),
    ] = None
    """Its name or its slug contains this text, in capitals or small letters."""
    destination: Annotated[SearchText | None, Condition("strpos(links.destination_url, %(destination)s) > 0")] = None
    """Its destination URL contains this text."""
    used: Annotated[
        Flag | None,
        Condition(
            "%(used)s = (exists (select from click_days where click_days.link_id = links.link_id)"
            " or exists (select from conversions where conversions.link_id = links.link_id))"
        ),
    ] = None
    """Whether clicks or conversions of it are stored."""
    begins_at: Annotated[Moment | None, Condition("links.created_at >= %(from)s"), Field(alias="from")] = None
    """Created at this moment or later; a day stands for its beginning."""
    ends_at: Annotated[Moment | None, Condition("links.created_at < %(to)s"), Field(alias="to")] = None
    """Created before this moment; a day stands for its beginning."""
