"""What a change of all links that a filter finds takes and shows."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from admin_api.bulk_links.import_settings import TAGS_MAX
from admin_api.configuration import LINKS, LinkFilter, Tag
from admin_api.http import Body, PreviewToken, Shown, Text, changes_of, converted
from tracking.clicks import SUB_NAMES, URL_CHARACTERS_MAX
from tracking.runtime import FieldError

# What may be set to one value for many links.
EDITABLE = ("profile_id", "merchant_id", "source_id", "plan_id", "destination_url", "active", *SUB_NAMES)
OLDER_THAN_DAYS = 7


class Replacement(Body):
    """A text to find in destination URLs, and what to put in its place."""

    find: Annotated[str, Text(URL_CHARACTERS_MAX)]
    """The text to find, in every place where it is."""
    replacement: Annotated[str, Text(URL_CHARACTERS_MAX, shortest=0), Field(alias="with")]
    """The text to put there."""


class LinkEdit(changes_of(LINKS.fields, only=EDITABLE)):  # type: ignore[misc]
    """What to change of every link. What is left out stays as it is."""

    replace: Replacement | None = None
    """A text to replace in destination URLs."""
    add_tags: Annotated[list[Tag], Field(max_length=TAGS_MAX)] = []
    """Tags that every link gets."""
    remove_tags: Annotated[list[Tag], Field(max_length=TAGS_MAX)] = []
    """Tags that every link loses."""


def _refuse_text(wanted: Any, field: str) -> Any:
    """Refuse text with commas, which stands for a list in a query only."""
    for name in ("link_id", "tag"):
        if isinstance(wanted, dict) and isinstance(wanted.get(name), str):
            raise FieldError(field, f"{field} must have a list of {name}")
    return wanted


BodyFilter = Annotated[LinkFilter, converted(_refuse_text)]


class BulkEdit(Body):
    """A change of every link that a filter finds."""

    filter: BodyFilter
    """The filters of the list. `{}` finds all links."""
    change: LinkEdit
    """What to change."""
    token: PreviewToken | None = None
    """The token of a preview, which is then carried out. Without it the answer is a preview."""


class UnusedLinks(Body):
    """Which unused links to delete."""

    filter: BodyFilter
    """The filters of the list. `{}` finds all links."""
    older_than_days: Annotated[int, Field(ge=0, le=3650)] = OLDER_THAN_DAYS
    """Links that were created later than this many days ago stay."""
    token: PreviewToken | None = None
    """The token of a preview, which is then carried out. Without it the answer is a preview."""


class EditExample(Shown):
    """One value that changes."""

    link_id: int
    field: str
    before: Any
    after: Any


class EditFault(Shown):
    """Why a link cannot be changed."""

    link_id: int
    field: str
    value: str
    code: str
    detail: str


class BulkEditResult(Shown):
    """What a filter finds, and what is changed of it."""

    count: int
    """How many links the filter finds."""
    unchanged: int
    """How many of them are already as they would become."""
    errors: int
    """How many links cannot be changed. While there is one, nothing is changed."""
    faults: list[EditFault]
    """The first 100 of them."""
    examples: list[EditExample]
    """The first 20 values that change."""
    token: str | None
    """Repeat the request with this token to do what the preview shows. Null if there are errors, or it is done."""
    changed: int | None
    """How many links were changed. Null in a preview."""


class UnusedResult(Shown):
    """Which links are unused, and how many were deleted."""

    count: int
    """How many links of the filter have no clicks and no conversions."""
    link_ids: list[int]
    """The first 100 of them."""
    token: str | None
    """Repeat the request with this token to delete them. Null once it is done."""
    changed: int | None
    """How many links were deleted. Null in a preview."""
