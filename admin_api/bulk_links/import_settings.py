"""What an operator says about a file of links: the settings that come with it. They are checked before it is read."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from admin_api.configuration import LINKS, Tag
from admin_api.http import (
    DELIMITERS,
    ENCODINGS,
    Body,
    Matching,
    ObjectId,
    OneOf,
    PreviewToken,
    Text,
    checked,
    decode_json,
)
from tracking.runtime import FieldError

HEADER_ROW_MAX = 100
HEADING_CHARACTERS_MAX = 200
COLUMNS_MAX = 200
WORDS_MAX = 1000
TAGS_MAX = 50
# Besides its own fields, a row may name what a link refers to: a profile by its domain, the others by their names.
REFERENCES = ("profile", "merchant", "source", "plan")
LINK_FIELDS = tuple(field.alias or name for name, field in LINKS.fields.model_fields.items())
FIELDS = ("link_id", *LINK_FIELDS, *REFERENCES)


class Layout(StrEnum):
    """Whose columns a file has: Waypost's, or those of another tracker's offers."""

    WAYPOST = "waypost"
    VOLUUM = "voluum"
    KEITARO = "keitaro"
    BINOM = "binom"


class Mode(StrEnum):
    """What may be done with a row."""

    CREATE = "create"
    UPDATE = "update"
    UPSERT = "upsert"


def _check_columns(columns: dict[str, Any], field: str) -> dict[str, Any]:
    for name in columns:
        if name not in FIELDS:
            raise FieldError(f"{field}.{name}", f"a link has no field {name!r}; the fields are {', '.join(FIELDS)}")
    return columns


Heading = Annotated[str, Text(HEADING_CHARACTERS_MAX)]
_COLUMNS_SCHEMA = {
    "type": "object",
    "properties": {name: {"type": "string", "minLength": 1, "maxLength": HEADING_CHARACTERS_MAX} for name in FIELDS},
    "additionalProperties": False,
}
MacroName = Annotated[str, Matching(r"[A-Za-z_][A-Za-z0-9_.:,-]{0,79}", "the name of a macro, without its braces")]


class RowDefaults(Body):
    """What a new link has where its row says nothing."""

    profile_id: ObjectId | None = None
    merchant_id: ObjectId | None = None
    source_id: ObjectId | None = None
    plan_id: ObjectId | None = None
    active: bool = True
    tags: Annotated[list[Tag], Field(max_length=TAGS_MAX)] = []
    """Tags that every new link gets besides those of its row."""


class ImportSettings(Body):
    """How to read a file of links, and what to do with its rows."""

    mode: Mode = Mode.CREATE
    """`create` makes new links, `update` changes those that there are, and `upsert` does either."""
    key: Literal["slug", "link_id"] = "slug"
    """How a row names a link that there may be: by its profile and slug, or by its number."""
    format: Literal["csv", "json"] = "csv"
    """CSV with headings, or JSON: a list of objects, or one object on each line."""
    layout: Layout = Layout.WAYPOST
    """Whose columns and macros the file has."""
    encoding: Annotated[str, OneOf(ENCODINGS)] = ENCODINGS[0]
    """How a CSV file is encoded. UTF-8 and UTF-16 with a byte order mark are recognised."""
    delimiter: Annotated[str, OneOf(DELIMITERS)] | None = None
    """The character between cells. If it is left out, the one that the headings fit is taken."""
    header_row: Annotated[int, Field(ge=1, le=HEADER_ROW_MAX)] = 1
    """The row with the headings."""
    columns: Annotated[dict[str, Heading], checked(_check_columns), WithJsonSchema(_COLUMNS_SCHEMA)] = {}
    """The headings, or names in JSON, of fields that the file calls by other names."""
    ignore: Annotated[list[Heading], Field(max_length=COLUMNS_MAX)] = []
    """Headings of columns that are not to be read."""
    defaults: RowDefaults = RowDefaults()
    """What a new link has where its row says nothing."""
    merchants: Annotated[dict[str, ObjectId], Field(max_length=WORDS_MAX)] = {}
    """The merchants that the file's own words or numbers stand for, such as the id of an affiliate network."""
    # A key that is no name by the pattern is refused.
    macros: Annotated[
        dict[MacroName, MacroName],
        Field(max_length=WORDS_MAX, json_schema_extra={"additionalProperties": False}),
    ] = {}
    """The macros that another tracker's macros become, besides those that are known."""
    token: PreviewToken | None = None
    """The token of a preview, which is then carried out. Without it the answer is a preview."""


def parse_import_settings(data: bytes) -> ImportSettings:
    """Return the settings of an import, or raise BodyError or InvalidFieldsError."""
    return decode_json(data, ImportSettings, source="the part `settings`")
