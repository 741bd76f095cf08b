"""The parameters of reports as the OpenAPI document describes them. What they mean is read in parsing.py."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, WithJsonSchema, create_model

from admin_api.http import Query
from admin_api.reports.columns import COLUMNS, EVENT_PREFIX
from admin_api.reports.parsing import ROWS_MAX
from admin_api.reports.question import Axis
from tracking.reports import DIMENSIONS, Dimension, DimensionKind
from tracking.traffic import TrafficClass

_DAY = r"(19[7-9][0-9]|[2-8][0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"
_EVENT = "[a-z][a-z0-9_]{0,39}"
_COLUMN = f"({'|'.join(COLUMNS)}|{EVENT_PREFIX}{_EVENT})"
_NAMES = "|".join(DIMENSIONS)
_ID = r"(\(none\)|[1-9][0-9]{0,17})"


class Stated(Query):
    """Parameters that stay text."""

    def stated(self) -> dict[str, str]:
        """Return what was sent, by the names that a client uses."""
        return self.model_dump(by_alias=True, exclude_unset=True)


def _pattern(text: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{text}$"})


def _list_of(value: str) -> WithJsonSchema:
    return _pattern(f"!?{value}(,{value}){{0,9}}")


_PARTS = {"day": _list_of(_DAY), "hour": _list_of("(1?[0-9]|2[0-3])"), "weekday": _list_of("[1-7]")}


def _schema(dimension: Dimension) -> WithJsonSchema:
    match dimension.kind:
        case DimensionKind.TIME:
            return _PARTS[dimension.name]
        case DimensionKind.ID:
            return _list_of(_ID)
        case DimensionKind.CLASS:
            return _list_of(f"({'|'.join(TrafficClass)})")
        case DimensionKind.EVENT:
            return _list_of(_EVENT)
        case DimensionKind.TEXT:
            return _pattern(r"!?[^\x00-\x1f\x7f,\\!]{1,300}")


def _filter(dimension: Dimension) -> tuple[Any, Any]:
    said = f"Only this {dimension.name}, or these with commas between them; `!` in front: all but these."
    if dimension.kind in (DimensionKind.ID, DimensionKind.TEXT):
        said += " `(none)` is what is not known."
    alias = dimension.name if dimension.kind is DimensionKind.CLASS else None
    return Annotated[str, _schema(dimension)], Field(default="", alias=alias, description=said)


_Day = Annotated[str, WithJsonSchema({"type": "string", "format": "date", "pattern": "^(19[7-9][0-9]|[2-8][0-9]{3})-"})]
PERIOD: dict[str, tuple[Any, Any]] = {
    "first_day": (_Day, Field(default="", alias="from", description="The first day; the 30 last ones if left out.")),
    "last_day": (_Day, Field(default="", alias="to", description="The last day, which is included; today.")),
    "time_zone": (str, Field(default="", description="Whose days, such as Europe/Vienna; usually REPORT_TIME_ZONE.")),
}
_By = Annotated[str, WithJsonSchema({"type": "string", "enum": list(Axis)})]
_BY: dict[str, tuple[Any, Any]] = {
    "by": (_By, Field(default="", description="Whether conversions count by the date of their click or by their own."))
}
FILTERS: dict[str, tuple[Any, Any]] = {name: _filter(each) for name, each in DIMENSIONS.items()}
_QUESTION: dict[str, tuple[Any, Any]] = {
    "group_by": (
        Annotated[str, _pattern(f"(({_NAMES})(,({_NAMES})){{0,3}})?")],
        Field(default="", description="Up to four dimensions with commas between them; none: totals alone."),
    ),
    **PERIOD,
    **_BY,
    "currency": (str, Field(default="", description="The currency of all amounts; usually REPORT_CURRENCY.")),
    "columns": (
        Annotated[str, _pattern(f"{_COLUMN}(,{_COLUMN}){{0,39}}")],
        Field(default="", description="The columns, in this order. Of money, only what the caller may see."),
    ),
    "sort": (
        Annotated[str, _pattern(f"-?({_NAMES}|{_COLUMN})")],
        Field(default="", description="A column or a dimension grouped by; with a minus, the greatest comes first."),
    ),
    "compare": (
        Annotated[str, WithJsonSchema({"type": "string", "enum": ["previous"]})],
        Field(default="", description="`previous`: beside each value that of the period before, of as many days."),
    ),
    "limit": (
        Annotated[str, WithJsonSchema({"type": "integer", "minimum": 1, "maximum": ROWS_MAX})],
        Field(default="", description="How many rows a page has at most."),
    ),
    "cursor": (str, Field(default="", description="The `next_cursor` of the page before, with the same question.")),
}


def query_of(name: str, text: str, *fields: dict[str, tuple[Any, Any]]) -> type[Stated]:
    """Return the class of a query with fields."""
    declared: dict[str, Any] = {}
    for each in fields:
        declared |= each
    # `class` is a word of Python; attributes cannot have it, so it is read by its alias.
    renamed = {f"{key}_": value for key, value in declared.items() if key == "class"}
    made: type[Stated] = create_model(
        name,
        __base__=Stated,
        __doc__=text,
        **{key: value for key, value in declared.items() if key != "class"},
        **renamed,
    )
    return made


ReportQuery = query_of("ReportQuery", "The question.", _QUESTION, FILTERS)
# Conversions have no class.
_FILTERS = {name: each for name, each in FILTERS.items() if name != "class"}
ReportConversionsQuery = query_of("ReportConversionsQuery", "Whose conversions.", PERIOD, _BY, _FILTERS)
