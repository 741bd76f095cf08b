"""The REST resources of conversions: the list, one of them, and decisions."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import falcon

from admin_api.conversions.decisions import Action, decide, decide_all, preview
from admin_api.conversions.listing import FILTERS, load_conversion, load_conversions, present_conversion
from admin_api.http.old import (
    PAGE_ROWS,
    REQUIRED,
    Field,
    NotFoundError,
    actor_of,
    choice,
    choose,
    decode_limit,
    decode_object,
    decode_place,
    encode_place,
    text,
    validate_new,
)
from admin_api.runtime import Pool
from tracking.conversions import ConversionStatus
from tracking.runtime import FieldError

NOTE_CHARACTERS = 500
_DECIDABLE = (ConversionStatus.APPROVED, ConversionStatus.REJECTED, ConversionStatus.REVERSED)
_NOTE = Field("note", text(NOTE_CHARACTERS), default=None, nullable=True)
_DECISION = (Field("status", choice(*_DECIDABLE), default=REQUIRED), _NOTE)


def _filter(value: Any, field: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FieldError(field, f"{field} must be an object of the filters of GET /v1/conversions; {{}} is all")
    return value


_MANY = (
    Field("filter", _filter),
    Field("token", text(64), default=None, nullable=True),
    _NOTE,
)


class Conversions:
    """The list."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List conversions by any of the filters, the newest first."""
        chosen = choose(FILTERS, {name: value for name, value in req.params.items() if name not in ("limit", "cursor")})
        place, limit = decode_place(req), decode_limit(req, PAGE_ROWS)
        with self._pool.connection() as database:
            rows = load_conversions(database, chosen, place, limit + 1)
        shown = rows[:limit]
        last = shown[-1] if len(rows) > limit else None
        resp.media = {
            "items": [present_conversion(row) for row in shown],
            "next_cursor": None if last is None else encode_place(last["received_at"], last["conversion_id"]),
        }


class ConversionItem:
    """One conversion, with its changes and entries."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def on_get(self, req: falcon.Request, resp: falcon.Response, conversion_id: str) -> None:
        """Show it."""
        with self._pool.connection() as database:
            resp.media = load_conversion(database, _decode_id(conversion_id))

    def on_patch(self, req: falcon.Request, resp: falcon.Response, conversion_id: str) -> None:
        """Approve, reject or reverse it, with a note that says why."""
        known = _decode_id(conversion_id)
        decision = validate_new(_DECISION, decode_object(req))
        with self._pool.connection() as database:
            decide(database, known, ConversionStatus(decision["status"]), actor_of(req), decision["note"])
            resp.media = load_conversion(database, known)


class ManyConversions:
    """Approve, reject or rebook all that a filter finds: first without a token, for a preview, then with its token."""

    def __init__(self, pool: Pool, action: Action) -> None:
        self._pool = pool
        self._action = action

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Preview, or do what was previewed."""
        wanted = validate_new(_MANY, decode_object(req))
        with self._pool.connection() as database:
            if wanted["token"] is None:
                found = preview(database, self._action, wanted["filter"])
                resp.media = {"count": len(found.conversion_ids), "sums": found.sums, "token": found.token}
                return
            changed = decide_all(
                database, self._action, wanted["filter"], wanted["token"], actor_of(req), wanted["note"]
            )
        resp.media = {"changed": changed}


def _decode_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFoundError(f"there is no conversion {text[:40]}") from None
