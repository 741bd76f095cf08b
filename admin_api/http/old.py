"""What the rooms import that are not converted yet; goes away with the last of them."""

from __future__ import annotations

from admin_api.http import old_filters as filters
from admin_api.http.authentication import Authentication, actor_of
from admin_api.http.csv_export import csv_pieces
from admin_api.http.errors import ConflictError, NotFoundError, RevisionError
from admin_api.http.old_fields import (
    ID_MAX,
    REQUIRED,
    Field,
    Parser,
    Values,
    choice,
    countries,
    currency,
    day,
    destination,
    domain,
    flag,
    matching,
    object_id,
    percent,
    plain_url,
    plain_urls,
    text,
    validate_changes,
    validate_new,
    whole,
)
from admin_api.http.old_filters import Chosen, Filter, choose, decode_list, moment
from admin_api.http.old_paging import (
    Place,
    decode_limit,
    decode_moment,
    decode_number,
    decode_place,
    encode_place,
    parse_moment,
    refuse_unknown,
)
from admin_api.http.old_requests import PAGE_ROWS, Revisions, decode_id, decode_object, decode_page, decode_revisions
from admin_api.http.problems import handle_error
from admin_api.http.uploads import Upload, received

__all__ = [
    "ID_MAX",
    "PAGE_ROWS",
    "REQUIRED",
    "Authentication",
    "Chosen",
    "ConflictError",
    "Field",
    "Filter",
    "NotFoundError",
    "Parser",
    "Place",
    "RevisionError",
    "Revisions",
    "Upload",
    "Values",
    "actor_of",
    "choice",
    "choose",
    "countries",
    "csv_pieces",
    "currency",
    "day",
    "decode_id",
    "decode_limit",
    "decode_list",
    "decode_moment",
    "decode_number",
    "decode_object",
    "decode_page",
    "decode_place",
    "decode_revisions",
    "destination",
    "domain",
    "encode_place",
    "filters",
    "flag",
    "handle_error",
    "matching",
    "moment",
    "object_id",
    "parse_moment",
    "percent",
    "plain_url",
    "plain_urls",
    "received",
    "refuse_unknown",
    "text",
    "validate_changes",
    "validate_new",
    "whole",
]
