"""What the edge and the worker did with a request, as steps of the click's trace. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from admin_api.http import Shown
from admin_api.routing import RoutingDecision
from admin_api.runtime import Row
from tracking.clicks import SUB_NAMES
from tracking.event_log import Step, StepKind
from tracking.traffic import TrafficClass

_CLASS_WORDS = {
    TrafficClass.VALID: "it counts as a click",
    TrafficClass.HEAD: "a HEAD request, which is kept apart and is no click",
    TrafficClass.PREFETCH: "the browser fetched it ahead, so it is kept apart and is no click",
    TrafficClass.BOT: "its user agent declares a bot or is empty, so it is kept apart and is no click",
    TrafficClass.DATACENTER: "its address is a data centre's, so it is kept apart and is no click",
    TrafficClass.RATE: "its address had too many clicks in that minute, so it is kept apart",
    TrafficClass.DUPLICATE: "its visitor had clicked on the link a moment before, so it is kept apart",
}


class ClickRequestedDetail(Shown):
    """The visitor's request."""

    click_id: UUID
    method: str
    host: str
    slug: str
    query: str
    """The query as it was sent."""
    parameters: dict[str, str]
    """Every query parameter, decoded."""
    subs: dict[str, str]
    """The values of `sub1` to `sub10` that the request or the link has."""
    ip: str | None
    """The visitor's address, or the network of a truncated one, if it was kept."""
    erased_at: datetime | None
    """When what identifies the visitor was erased; null if it was not."""
    user_agent: str
    referrer: str
    accept_language: str


class ClickDecidedDetail(Shown):
    """Which link and profile answered the request, and why. Names are current; they are null for what is gone."""

    config_version: int
    """The version of the configuration that decided the answer."""
    kind: Annotated[TrafficClass, Field(alias="class")]
    """The kind of request. Only requests that are `valid` count as clicks."""
    link_id: int
    link_name: str | None
    profile_id: int
    profile_name: str | None
    merchant_id: int | None
    """The link's current merchant."""
    merchant_name: str | None
    decision: RoutingDecision
    """What the link's rules decided."""
    why: list[str]
    """The reasons, in sentences."""
    changed_since: list[Literal["link", "profile"]]
    """Which of link and profile were changed after the click."""


class ClickRedirectedDetail(Shown):
    """Where the visitor was sent."""

    location: str
    redirect_type_now: Literal["301", "302", "js"] | None
    """How the profile redirects now. Null if the profile no longer exists."""


class ClickStoredDetail(Shown):
    """The record from which the worker stored the click."""

    spool_id: str
    spool_number: int
    """The number of the record in its spool."""


def click_steps(click: Row) -> Iterator[Step]:
    """Yield the steps of the edge and the worker."""
    at = click["clicked_at"]
    path = f"/click/{click['slug']}" + (f"?{click['query']}" if click["query"] else "")
    subs = {name: click[name] for name in SUB_NAMES if click[name] is not None}
    yield Step(
        StepKind.CLICK_REQUESTED,
        at,
        "click:requested",
        f"{click['method']} {click['host']}{path} from {click['ip'] or 'an address that was not kept'}",
        ClickRequestedDetail.of(click, subs=subs),
    )
    why = list(_reasons(click))
    changes = {name: click[f"{name}_updated_at"] for name in ("link", "profile")}
    changed_since = [name for name, changed_at in changes.items() if changed_at is not None and changed_at > at]
    yield Step(
        StepKind.CLICK_DECIDED,
        at,
        "click:decided",
        "; ".join(why),
        ClickDecidedDetail.of(click, why=why, changed_since=changed_since),
        after="click:requested",
    )
    yield Step(
        StepKind.CLICK_REDIRECTED,
        at,
        "click:redirected",
        f"sent on to {click['location']}",
        ClickRedirectedDetail.of(click, redirect_type_now=click["redirect_type"]),
        after="click:decided",
    )
    yield Step(
        StepKind.CLICK_STORED,
        click["stored_at"],
        "click:stored",
        f"stored from record {click['spool_number']} of spool {click['spool_id']}",
        ClickStoredDetail.of(click),
        after="click:redirected",
    )


def _reasons(click: Row) -> Iterator[str]:
    """Yield the reasons for the edge's answer. The names are current, if link and profile still exist."""
    yield f"link {click['link_id']}{_quoted(click['link_name'])} by the slug {click['slug']} on {click['host']}"
    yield f"active profile {click['profile_id']}{_quoted(click['profile_name'])}, so the request is recorded"
    yield f"class {click['class']}: {_CLASS_WORDS.get(click['class'], 'as the rules of its class say')}"
    yield from (sentence.removesuffix(".") for sentence in click["decision"].words)
    yield f"by version {click['config_version']} of the configuration"


def _quoted(name: str | None) -> str:
    return "" if name is None else f" “{name}”"
