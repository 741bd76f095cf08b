"""The Event Log as resources: the trace of a click, which is found by its id, an order id, `dyn` or an address."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

import falcon
from pydantic import Field, WithJsonSchema

from admin_api.clicks import require_click
from admin_api.event_log.search import (
    CANDIDATES_MAX,
    clicks_of_address,
    clicks_of_order,
    find_click,
    postbacks_without_click,
)
from admin_api.event_log.trace import Trace, load_trace
from admin_api.http import (
    InvalidFieldsError,
    Moment,
    NotFoundError,
    Query,
    Shown,
    Text,
    checked,
    converted,
    operation,
    parse_number,
)
from admin_api.postbacks import Postback, show_postback
from admin_api.runtime import Pool
from tracking.clicks import parse_click_id, parse_dyn
from tracking.runtime import FieldError
from tracking.traffic import TrafficClass

MINUTES_USUAL = 10
MINUTES_MAX = 360
NAME_CHARACTERS_MAX = 200
_QUESTIONS = ("click_id", "dyn", "order_id", "ip")
Name = Annotated[str, Text(NAME_CHARACTERS_MAX)]


def _check_network(text: str, field: str) -> str:
    try:
        # A zone means something on one machine only, and PostgreSQL does not take zones.
        return str(ipaddress.ip_network(text.strip() if "%" not in text else "", strict=False))
    except ValueError:
        raise FieldError(
            field, f"{field} must be an address such as 203.0.113.7, or a network, not {text[:40]!r}"
        ) from None


Network = Annotated[
    str, checked(_check_network), WithJsonSchema({"type": "string", "pattern": r"^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$"})
]


class TraceQuery(Query):
    """The click to find. Give exactly one of `click_id`, `dyn`, `order_id`, and `ip` with `at`."""

    click_id: Name | None = None
    """The click id."""
    dyn: Name | None = None
    """The dynamic variable, with any prefix."""
    order_id: Name | None = None
    """The order id of conversions or postbacks, exactly as it was sent."""
    ip: Network | None = None
    """The visitor's address, or a network such as 203.0.113.0/24. It needs `at`."""
    at: Moment | None = None
    """The approximate time of the click."""
    minutes: Annotated[int, Field(ge=1, le=MINUTES_MAX), converted(parse_number)] = MINUTES_USUAL
    """How far before and after `at` to look."""

    def faults(self) -> Iterator[FieldError]:
        """Yield the errors of the question as a whole."""
        asked = [name for name in _QUESTIONS if getattr(self, name) is not None]
        if len(asked) != 1:
            yield FieldError(
                "click_id", f"ask by one of {', '.join(_QUESTIONS)} (ip with at), not {len(asked)} of them"
            )
        if self.ip is not None and self.at is None:
            yield FieldError("at", "at is required with ip: about when the click was, such as 2026-10-31T12:00:00Z")


class FoundClick(Shown):
    """A click that the question may mean. If it is not stored, only its id and its time are known."""

    click_id: UUID
    clicked_at: datetime
    link_id: int | None
    slug: str | None
    kind: Annotated[TrafficClass | None, Field(alias="class")]
    """The kind of request. Only requests that are `valid` count as clicks."""
    ip: str | None
    """The visitor's address as it is stored: whole, or the network of a truncated one."""
    user_agent: str | None
    found_by: Literal["address", "visitor", "network"] | None
    """How the address was recognised. `visitor` is by the hash in the visitor number. `network` means that only the
    network is stored, so that the click may be of another address of it. Null if nobody asked by address.
    """


class FoundTrace(Shown):
    """The clicks that a question may mean, and the trace if it means only one click."""

    clicks: list[FoundClick]
    """The newest clicks come first. There are at most 100."""
    more: bool
    """Whether there are more clicks."""
    postbacks_without_click: list[Postback]
    """The postbacks of an order that name none of your clicks, the newest first, at most 100 of them."""
    trace: Trace | None
    """The trace. Null if the question may mean several clicks or none, or if nothing is stored about the click."""


class ClickTrace:
    """The trace of one click."""

    def __init__(self, pool: Pool, click_id_keys: Sequence[bytes]) -> None:
        self._pool = pool
        self._keys = click_id_keys

    @operation("Show the trace of a click", not_found=("unknown-click", "click-not-stored", "click-dropped"))
    def on_get(self, req: falcon.Request, resp: falcon.Response, click_id: str) -> Trace:
        """The answer has everything that happened to the click, in order."""
        return require_click(self._pool, self._keys, click_id, load_trace)


class TraceSearch:
    """Finds the click that a question means and its trace, or the clicks that it may mean."""

    def __init__(self, pool: Pool, click_id_keys: Sequence[bytes]) -> None:
        self._pool = pool
        self._keys = click_id_keys

    @operation("Find the trace of a click", not_found=("unknown-click",))
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: TraceQuery) -> FoundTrace:
        """Give exactly one of `click_id`, `dyn`, `order_id`, and `ip` with `at`."""
        faults = list(query.faults())
        if faults:
            raise InvalidFieldsError(faults)
        # A forged id is refused without a query.
        named = self._named(query)
        postbacks = []
        with self._pool.connection() as database:
            if named is not None:
                clicks = [find_click(database, named)]
            elif query.order_id is not None:
                clicks = clicks_of_order(database, query.order_id)
                postbacks = postbacks_without_click(database, query.order_id)
            else:
                assert query.ip is not None
                assert query.at is not None
                clicks = clicks_of_address(database, query.ip, self._keys, query.at, timedelta(minutes=query.minutes))
            trace = load_trace(database, clicks[0]["click_id"]) if len(clicks) == 1 else None
        return FoundTrace(
            clicks=[FoundClick.of(click) for click in clicks[:CANDIDATES_MAX]],
            more=len(clicks) > CANDIDATES_MAX,
            postbacks_without_click=list(map(show_postback, postbacks)),
            trace=trace,
        )

    def _named(self, query: TraceQuery) -> UUID | None:
        """Return the id of the click that a question names, if it names one. Raises NotFoundError for a forged id."""
        for name, text, parse in (("click_id", query.click_id, parse_click_id), ("dyn", query.dyn, parse_dyn)):
            if text is not None:
                click_id = parse(text, self._keys)
                if click_id is None:
                    raise NotFoundError(f"this is not a {name} that Waypost made", code="unknown-click")
                return click_id
        return None
