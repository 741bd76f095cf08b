"""Pages of lists that are the newest first: a cursor says where the last page ended, whatever was added since."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import falcon

from admin_api.http.old_requests import PAGE_ROWS_MAX
from tracking.runtime import FieldError

_LIMIT = re.compile("[0-9]{1,4}")
_NUMBER = re.compile("[0-9]{1,18}")
_SHOWN_CHARACTERS = 64


class Place(NamedTuple):
    """Where a list by time goes on: after the row of this moment and id."""

    at: datetime
    row_id: UUID


def refuse_unknown(req: falcon.Request, known: Sequence[str]) -> None:
    """Raise FieldError for a query parameter that a route does not have: a misspelt filter would show everything."""
    for name in req.params:
        if name not in known:
            raise FieldError(name[:_SHOWN_CHARACTERS], f"the parameters are {', '.join(known)}", code="unknown-field")


def decode_limit(req: falcon.Request, usual: int, most: int = PAGE_ROWS_MAX) -> int:
    """Return how many rows are wanted, or raise FieldError."""
    limit = req.get_param("limit") or str(usual)
    if not _LIMIT.fullmatch(limit) or not 1 <= int(limit) <= most:
        raise FieldError("limit", f"limit must be a whole number from 1 to {most}")
    return int(limit)


def decode_number(req: falcon.Request, name: str) -> int | None:
    """Return the number of a query parameter, None where there is none, or raise FieldError."""
    text = req.get_param(name)
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        raise FieldError(name, f"{name} must be a whole number, not {text[:40]!r}")
    return int(text)


def decode_moment(req: falcon.Request, name: str) -> datetime | None:
    """Return the moment of a query parameter, in UTC, None where there is none, or raise FieldError."""
    text = req.get_param(name)
    return parse_moment(text, name) if text else None


def parse_moment(text: str, field: str) -> datetime:
    """Return a moment in UTC, of a day its beginning, or raise FieldError. Without an offset it is UTC's."""
    try:
        # A plus sign stands for a space in a query; nobody means one before an offset.
        moment = datetime.fromisoformat(re.sub(r" (?=[0-9]{2}:?[0-9]{2}$)", "+", text))
    except ValueError:
        moment = None
    if moment is None or not 1970 <= moment.year <= 9000:
        raise FieldError(field, f"{field} must be a moment such as 2026-10-31T12:00:00Z, not {text[:40]!r}")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def encode_place(at: datetime, row_id: UUID) -> str:
    """Return the cursor of a place."""
    return base64.urlsafe_b64encode(f"{at.isoformat()} {row_id}".encode()).decode().rstrip("=")


def decode_place(req: falcon.Request) -> Place | None:
    """Return the place of a cursor, None for the first page, or raise FieldError."""
    cursor = req.get_param("cursor")
    if not cursor:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        at, _, row_id = text.partition(" ")
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None:
            raise ValueError
        return Place(moment, UUID(row_id))
    except (ValueError, binascii.Error):
        raise FieldError("cursor", "cursor must be the next_cursor of an earlier answer, unchanged") from None
