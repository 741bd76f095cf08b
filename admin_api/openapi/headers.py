"""The header fields of requests and answers, as the document describes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from admin_api.http import IDEMPOTENCY_KEY, IDEMPOTENCY_PATTERN, IDEMPOTENCY_REPLAYED, Operation

_IF_MATCH: Mapping[str, Any] = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "schema": {"type": "string", "pattern": r'^(\*|"[1-9][0-9]{0,17}")$'},
    "example": "*",
    "description": "The ETag of what the change is based on; another revision is answered 412. `*` allows any.",
}
_IDEMPOTENCY_KEY: Mapping[str, Any] = {
    "name": IDEMPOTENCY_KEY,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "pattern": f"^{IDEMPOTENCY_PATTERN}$"},
    "description": "A key of your own, such as a UUID, kept for 24 hours. A repetition with the same key and the same"
    f" body is not carried out again: it gets the same answer, with `{IDEMPOTENCY_REPLAYED}: true`.",
}


def header_parameters(declared: Operation) -> list[Mapping[str, Any]]:
    """Return the header fields that an operation takes."""
    return [_IF_MATCH] * declared.conditional + [_IDEMPOTENCY_KEY] * declared.repeatable


def answer_headers(declared: Operation) -> dict[str, Any]:
    """Return the header fields of an operation's successes."""
    headers: dict[str, Any] = {}
    if declared.versioned:
        headers["ETag"] = {"required": True, "schema": {"type": "string"}}
    if declared.repeatable:
        headers[IDEMPOTENCY_REPLAYED] = {"required": False, "schema": {"type": "string", "const": "true"}}
    return headers
