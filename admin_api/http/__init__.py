"""What every resource shares: declared operations and bodies, authentication, filters and pages, problem+json, CSV."""

from __future__ import annotations

from admin_api.http.authentication import Authentication, actor_of
from admin_api.http.csv_export import csv_pieces
from admin_api.http.errors import ConflictError, InvalidFieldsError, NotFoundError
from admin_api.http.field_types import (
    ID_MAX,
    AmountMinor,
    Countries,
    Currency,
    Day,
    DestinationUrl,
    Domain,
    EventName,
    Matching,
    ObjectId,
    OneOf,
    Percent,
    PlainUrl,
    Text,
    checked,
    converted,
    refuse_control,
)
from admin_api.http.filters import Chosen, Condition, Filter, Query
from admin_api.http.models import Body, Page, Shown, Values, changes_of, shown_of
from admin_api.http.operations import (
    METHODS,
    Operation,
    PathParameter,
    Route,
    add_operation,
    open_paths,
    operation,
    operation_of,
)
from admin_api.http.paging import (
    NumberedPageQuery,
    Place,
    TimedPageQuery,
    encode_place,
    page_of,
)
from admin_api.http.parameters import (
    AnyOf,
    CountryCode,
    CurrencyCode,
    Flag,
    Moment,
    Number,
    SearchText,
    parse_number,
)
from admin_api.http.problems import CONTENT_TYPE, SCHEMA, handle_error
from admin_api.http.requests import Revisions, require_revision
from admin_api.http.uploads import Upload, received
from admin_api.http.validation import decode_json

__all__ = [
    "CONTENT_TYPE",
    "ID_MAX",
    "METHODS",
    "SCHEMA",
    "AmountMinor",
    "AnyOf",
    "Authentication",
    "Body",
    "Chosen",
    "Condition",
    "ConflictError",
    "Countries",
    "CountryCode",
    "Currency",
    "CurrencyCode",
    "Day",
    "DestinationUrl",
    "Domain",
    "EventName",
    "Filter",
    "Flag",
    "InvalidFieldsError",
    "Matching",
    "Moment",
    "NotFoundError",
    "Number",
    "NumberedPageQuery",
    "ObjectId",
    "OneOf",
    "Operation",
    "Page",
    "PathParameter",
    "Percent",
    "Place",
    "PlainUrl",
    "Query",
    "Revisions",
    "Route",
    "SearchText",
    "Shown",
    "Text",
    "TimedPageQuery",
    "Upload",
    "Values",
    "actor_of",
    "add_operation",
    "changes_of",
    "checked",
    "converted",
    "csv_pieces",
    "decode_json",
    "encode_place",
    "handle_error",
    "open_paths",
    "operation",
    "operation_of",
    "page_of",
    "parse_number",
    "received",
    "refuse_control",
    "require_revision",
    "shown_of",
]
