"""The rule document of a link and the destinations of a rotation, as a client sends them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from admin_api.http import Body, CountryCode, ObjectId, Text, checked, refuse_control
from admin_api.routing.conditions import Condition, TimeZone
from tracking.caps import LIMIT_MAX
from tracking.clicks import URL_CHARACTERS_MAX, compile_template

RULES_MAX = 100
CONDITIONS_MAX = 30
DESTINATIONS_MAX = 100
WEIGHT_MAX = 1_000_000
CAPS_MAX = 8
COUNTRIES_MAX = 260
Name = Annotated[str, Text(200)]


def _check_template(url: str, field: str) -> str:
    # Text is stored as it was written, since it is compiled whenever it is published.
    compile_template(refuse_control(url, field), field)
    return url


TemplateUrl = Annotated[
    str,
    checked(_check_template),
    WithJsonSchema({"type": "string", "pattern": "^https?://", "maxLength": URL_CHARACTERS_MAX}),
]


class CapFields(Body):
    """How many clicks or conversions there may be in a period."""

    cap_id: ObjectId | None = None
    """Its number, which the server gives. Send it back to change the cap; a cap without one is new."""
    count: Literal["clicks", "conversions"]
    """What it counts."""
    per: Literal["hour", "day", "month", "total"]
    """The period that it counts in."""
    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX)]
    """How many there may be."""


Caps = Annotated[list[CapFields], Field(max_length=CAPS_MAX)]


class RotationDestinationFields(Body):
    """One of a rotation's destinations."""

    destination_id: ObjectId | None = None
    """Its number, which the server gives. Send it back to change the destination; one without a number is new."""
    name: Name | None = None
    """The name that operators use."""
    url: TemplateUrl
    """The URL that it leads to, with the macros of a link's destination."""
    weight: Annotated[int, Field(ge=0, le=WEIGHT_MAX)] = 1
    """How often it is chosen, compared with the others."""
    active: bool = True
    """Whether it may be chosen."""
    caps: Caps = []
    """Its caps. While one of them is exhausted, it is not chosen."""


class DestinationFields(RotationDestinationFields):
    """One of a rule's destinations: a URL, or a rotation that many links share."""

    url: TemplateUrl | None = None  # type: ignore[assignment]
    """The URL that it leads to, with the macros of a link's destination. Give either `url` or `rotation_id`."""
    rotation_id: ObjectId | None = None
    """The rotation that chooses where it leads."""


class RuleFields(Body):
    """A rule: where clicks go for which all of its conditions hold."""

    rule_id: ObjectId | None = None
    """Its number, which the server gives. Send it back to change the rule; a rule without one is new."""
    name: Name | None = None
    """The name that operators use."""
    active: bool = True
    """Whether it is used."""
    conditions: Annotated[list[Condition], Field(max_length=CONDITIONS_MAX)] = []
    """What must hold, all of it. A rule without conditions applies to every click."""
    destinations: Annotated[list[DestinationFields], Field(min_length=1, max_length=DESTINATIONS_MAX)]
    """Where these clicks go, by their weights."""
    assignment: Literal["sticky", "random"] = "sticky"
    """Whether a visitor always gets the same destination (by address and user agent), or a random one each time."""
    overflow_url: TemplateUrl | None = None
    """Where these clicks go when all destinations are exhausted. Without it the next rule is looked at."""


class RoutingFields(Body):
    """The rules of a link. The first rule that holds and has capacity left decides, then the countries, and then
    the link's own destination.
    """

    rules: Annotated[list[RuleFields], Field(max_length=RULES_MAX)] = []
    """The rules in their order."""
    countries: Annotated[dict[CountryCode, TemplateUrl], Field(max_length=COUNTRIES_MAX)] = {}
    """Destinations by country, for clicks that no rule took."""
    caps: Caps = []
    """The caps of the whole link."""
    overflow_url: TemplateUrl | None = None
    """Where clicks go while the whole link is exhausted. Without it: the profile's fallback URL, or the destination."""
    time_zone: TimeZone | None = None
    """The time zone of its caps, such as `Europe/Berlin`; that of the installation if it is left out."""


def complete(document: Any, fields: type[Body]) -> dict[str, Any]:
    """Return a document as it is stored: with every default, and without what is null."""
    return fields.model_validate(document).model_dump(by_alias=True, exclude_none=True)
