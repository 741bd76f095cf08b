"""The Event Log: everything that happened to a click, in order, found by its id, an order id, `dyn` or an address."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import falcon

from admin_api.clicks import require_click
from admin_api.event_log.rows import load_trace_rows
from admin_api.event_log.search import CANDIDATES_MAX, clicks_of_address, clicks_of_order, postbacks_without_click
from admin_api.event_log.steps import steps_of
from admin_api.http.old import NotFoundError, decode_moment, refuse_unknown
from admin_api.postbacks import present_postback
from admin_api.runtime import Database, Pool, Row
from tracking.clicks import clicked_at, parse_click_id, parse_dyn
from tracking.event_log import in_order, with_times
from tracking.runtime import FieldError

MINUTES_USUAL = 10
MINUTES_MAX = 360
ORDER_CHARACTERS_MAX = 200
_QUESTIONS = ("click_id", "dyn", "order_id", "ip")
_PARAMETERS = (*_QUESTIONS, "at", "minutes")
_MINUTES = re.compile("[0-9]{1,3}")


class ClickTrace:
    """The trace of one click."""

    def __init__(self, pool: Pool, click_id_keys: Sequence[bytes]) -> None:
        self._pool = pool
        self._keys = click_id_keys

    def on_get(self, req: falcon.Request, resp: falcon.Response, click_id: str) -> None:
        """Show it. A forged id is refused without a query."""
        resp.media = require_click(self._pool, self._keys, click_id, load_trace)


class TraceSearch:
    """The trace of the click that a question means, or the clicks that it may mean."""

    def __init__(self, pool: Pool, click_id_keys: Sequence[bytes]) -> None:
        self._pool = pool
        self._keys = click_id_keys

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer by exactly one of click_id, dyn, order_id, or ip with at."""
        refuse_unknown(req, _PARAMETERS)
        asked = [name for name in _QUESTIONS if req.get_param(name)]
        if len(asked) != 1:
            raise FieldError(
                "click_id", f"ask by one of {', '.join(_QUESTIONS)} (ip with at), not {len(asked)} of them"
            )
        text = (req.get_param(asked[0]) or "").strip()
        postbacks: list[Row] = []
        with self._pool.connection() as database:
            if asked[0] == "ip":
                clicks = clicks_of_address(database, _network(text), *_around(req))
            elif asked[0] == "order_id":
                clicks = clicks_of_order(database, _order(text))
                postbacks = postbacks_without_click(database, text)
            else:
                clicks = [self._named(text, asked[0])]
            trace = load_trace(database, clicks[0]["click_id"]) if len(clicks) == 1 else None
        resp.media = {
            "clicks": clicks[:CANDIDATES_MAX],
            "more": len(clicks) > CANDIDATES_MAX,
            "postbacks_without_click": [present_postback(row) for row in postbacks],
            "trace": trace,
        }

    def _named(self, text: str, name: str) -> Row:
        parse = parse_dyn if name == "dyn" else parse_click_id
        click_id = parse(text, self._keys)
        if click_id is None:
            raise NotFoundError(f"this is not a {name} that Waypost made", code="unknown-click")
        return {"click_id": click_id, "clicked_at": clicked_at(click_id)}


def load_trace(database: Database, click_id: UUID) -> dict[str, Any] | None:
    """Return a click's trace; without its request while only postbacks of it are stored, None when nothing is."""
    rows = load_trace_rows(database, click_id)
    if rows.click is None and not rows.postbacks:
        return None
    return {
        "click_id": click_id,
        "stored": rows.click is not None,
        "cut": rows.cut,
        "steps": with_times(in_order(steps_of(rows))),
    }


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        raise FieldError("ip", f"ip must be an address such as 203.0.113.7, or a network, not {text[:40]!r}") from None


def _order(text: str) -> str:
    if len(text) > ORDER_CHARACTERS_MAX or not text.isprintable():
        raise FieldError("order_id", f"order_id must be up to {ORDER_CHARACTERS_MAX} printable characters")
    return text


def _around(req: falcon.Request) -> tuple[datetime, timedelta]:
    """Return the moment asked for and how far around it to look."""
    at = decode_moment(req, "at")
    if at is None:
        raise FieldError("at", "at is required with ip: about when the click was, such as 2026-10-31T12:00:00Z")
    minutes = req.get_param("minutes") or str(MINUTES_USUAL)
    if not _MINUTES.fullmatch(minutes) or not 1 <= int(minutes) <= MINUTES_MAX:
        raise FieldError("minutes", f"minutes must be a whole number from 1 to {MINUTES_MAX}")
    return at, timedelta(minutes=int(minutes))
