"""The conditions of a rule as a client sends them, told apart by `field`. tracking.routing says what they mean.

The field `values` is called `any_of` here, since a body has a method of that name.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, WithJsonSchema

from admin_api.http import Body, CountryCode, OneOf, Text, checked
from tracking.caps import is_time_zone
from tracking.runtime import FieldError
from tracking.traffic import TrafficClass

VALUES_MAX = 500
VALUE_CHARACTERS_MAX = 200
NAME_CHARACTERS_MAX = 100
HOURS_MAX = 12
Word = Annotated[str, Text(VALUE_CHARACTERS_MAX)]
Match = Literal["is", "contains", "begins", "ends", "present"]


def _check_time_zone(value: str, field: str) -> str:
    if not is_time_zone(value):
        raise FieldError(field, f"{field} must be a time zone such as Europe/Berlin, not {value[:40]!r}")
    return value


TimeZone = Annotated[
    str,
    Text(NAME_CHARACTERS_MAX),
    checked(_check_time_zone),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": NAME_CHARACTERS_MAX}),
]


class ConditionFields(Body):
    """What every condition has."""

    negate: bool = False
    """Whether the condition holds exactly where it would not hold otherwise."""


class CountryConditionFields(ConditionFields):
    """The visitor is in one of these countries."""

    field: Literal["country"]
    any_of: Annotated[list[CountryCode], Field(min_length=1, max_length=VALUES_MAX, alias="values")]
    """Two-letter country codes."""


class TextConditionFields(ConditionFields):
    """What is known of the visitor is one of these texts, in capitals or small letters."""

    field: Literal["region", "city", "isp", "connection", "os", "browser", "language", "referrer", "source"]
    any_of: Annotated[list[Word], Field(min_length=1, max_length=VALUES_MAX, alias="values")]
    """Texts, such as `iOS` for `os`, `de` for `language`, and a host for `referrer`."""


class AsnConditionFields(ConditionFields):
    """The visitor's address belongs to one of these networks."""

    field: Literal["asn"]
    any_of: Annotated[
        list[Annotated[int, Field(ge=1, le=2**32 - 1)]], Field(min_length=1, max_length=VALUES_MAX, alias="values")
    ]
    """Numbers of autonomous systems."""


class DeviceConditionFields(ConditionFields):
    """The visitor uses one of these kinds of devices."""

    field: Literal["device"]
    any_of: Annotated[
        list[Literal["phone", "tablet", "desktop", "tv", "console", "bot", "other"]],
        Field(min_length=1, max_length=VALUES_MAX, alias="values"),
    ]


class ParameterConditionFields(ConditionFields):
    """A query parameter has one of these values."""

    field: Literal["parameter"]
    name: Annotated[str, Text(NAME_CHARACTERS_MAX)]
    """The name of the parameter."""
    match: Match = "is"
    """How a value is compared. `present` asks only whether the parameter is there."""
    any_of: Annotated[list[Word], Field(max_length=VALUES_MAX, alias="values")] = []
    """The values, any of which may match. None for `present`."""


class SubConditionFields(ConditionFields):
    """A sub id has one of these values. The link's own value counts where the click brings none."""

    field: Literal["sub1", "sub2", "sub3", "sub4", "sub5", "sub6", "sub7", "sub8", "sub9", "sub10"]
    match: Match = "is"
    """How a value is compared. `present` asks only whether there is a value."""
    any_of: Annotated[list[Word], Field(max_length=VALUES_MAX, alias="values")] = []
    """The values, any of which may match. None for `present`."""


class TimeConditionFields(ConditionFields):
    """The click is on one of these weekdays and within one of these hours."""

    field: Literal["time"]
    weekdays: Annotated[list[Annotated[int, Field(ge=1, le=7)]], Field(max_length=7)] = []
    """Weekdays, from 1 for Monday to 7 for Sunday. None means every day."""
    hours: Annotated[
        list[Annotated[list[Annotated[int, Field(ge=0, le=24)]], Field(min_length=2, max_length=2)]],
        Field(max_length=HOURS_MAX),
    ] = []
    """Hours as `[from, to]`, such as `[9, 17]` for 9:00 to 16:59. None means the whole day."""
    time_zone: TimeZone | None = None
    """The time zone of weekdays and hours, such as `Europe/Berlin`; the rules' own if it is left out."""


class VisitorConditionFields(ConditionFields):
    """The visitor is new, or was here before."""

    field: Literal["visitor"]
    any_of: Annotated[list[Literal["new", "returning"]], Field(min_length=1, max_length=2, alias="values")]


class BotConditionFields(ConditionFields):
    """The visitor is a bot that says so."""

    field: Literal["bot"]


class ClassConditionFields(ConditionFields):
    """The request is of one of these classes, as far as the edge can tell."""

    field: Literal["class"]
    any_of: Annotated[
        list[Annotated[str, OneOf(tuple(TrafficClass))]], Field(min_length=1, max_length=VALUES_MAX, alias="values")
    ]


Condition = Annotated[
    CountryConditionFields
    | TextConditionFields
    | AsnConditionFields
    | DeviceConditionFields
    | ParameterConditionFields
    | SubConditionFields
    | TimeConditionFields
    | VisitorConditionFields
    | BotConditionFields
    | ClassConditionFields,
    Field(discriminator="field"),
]
