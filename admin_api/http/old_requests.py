"""Reading requests: JSON bodies, ids in paths, If-Match, and the limits and cursors of lists."""

from __future__ import annotations

import re
from typing import Any

import falcon

from admin_api.http.errors import BodyError, NotFoundError
from tracking.runtime import FieldError

# The revisions an If-Match header allows; None allows any.
Revisions = frozenset[int] | None

BODY_BYTES_MAX = 64 * 1024
PAGE_ROWS = 100
PAGE_ROWS_MAX = 500
_ID = re.compile("[1-9][0-9]{0,17}")
_LIMIT = re.compile("[0-9]{1,4}")


def decode_object(req: falcon.Request) -> dict[str, Any]:
    """Return the body's JSON object, or raise BodyError."""
    if (req.content_length or 0) > BODY_BYTES_MAX:
        raise falcon.HTTPContentTooLarge(description=f"the body is larger than {BODY_BYTES_MAX} bytes")
    body = req.get_media()
    if not isinstance(body, dict):
        raise BodyError("the body must be one JSON object")
    return body


def decode_id(text: str, singular: str) -> int:
    """Return the id that a path names; what cannot be an id names nothing."""
    if not _ID.fullmatch(text):
        raise NotFoundError(f"there is no {singular} {text[:40]}")
    return int(text)


def decode_revisions(req: falcon.Request) -> Revisions:
    """Return the revisions that If-Match allows, or None when it allows any."""
    tags = req.if_match
    if tags is None or "*" in tags:
        return None
    # A weak tag never matches: RFC 9110 wants the strong comparison here.
    strong = [str(tag) for tag in tags if isinstance(tag, falcon.ETag) and not tag.is_weak]
    return frozenset(int(tag) for tag in strong if _ID.fullmatch(tag))


def decode_page(req: falcon.Request) -> tuple[int, int]:
    """Return the id to begin after and the number of objects wanted, or raise FieldError."""
    for name in req.params:
        if name not in ("limit", "cursor"):
            raise FieldError(name[:64], "the parameters are limit and cursor", code="unknown-field")
    limit, cursor = req.get_param("limit") or str(PAGE_ROWS), req.get_param("cursor") or ""
    if not _LIMIT.fullmatch(limit) or not 1 <= int(limit) <= PAGE_ROWS_MAX:
        raise FieldError("limit", f"limit must be a whole number from 1 to {PAGE_ROWS_MAX}")
    if cursor and not _ID.fullmatch(cursor):
        raise FieldError("cursor", "cursor must be the next_cursor of an earlier answer, unchanged")
    return int(cursor or 0), int(limit)
