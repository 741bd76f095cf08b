"""Reads the plan of a link as it was published, and prepares what its conditions will look up."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import Any

from config.configuration import PublishedLink
from tracking.routing import UNREADABLE, How, Plan, decode_plan
from tracking.traffic import prepare_bots
from tracking.visitors import prepare_user_agents

_log = logging.getLogger(__name__)
_AGENT_FIELDS = frozenset({"device", "os", "browser"})
_BOT_FIELDS = frozenset({"bot", "class"})


def read_plan(link: PublishedLink) -> tuple[Plan | None, list[Any] | None]:
    """Return a link's plan, and None; or None, and the outcome of every click, if this release cannot run the plan."""
    try:
        published = link.plan or []
        plan = decode_plan(published, link.sub_defaults)
        fields = {condition[0] for rule in published[1] for condition in rule[2]}
    except UNREADABLE as error:
        _report(link.link_id, repr(error))
        return None, [0, [], None, None, How.BROKEN, {}]
    # Here, since the click of a cached decision waits for nothing.
    if fields & _AGENT_FIELDS:
        prepare_user_agents()
    if fields & _BOT_FIELDS:
        prepare_bots()
    return plan, None


@lru_cache(1024)
def _report(link_id: int, error: str) -> None:
    """Log that a plan cannot be read, once: a link that is not in demand is read again for each click."""
    _log.error("the rules of link %s cannot be read: %s", link_id, error)
