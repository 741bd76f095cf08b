"""Decides where a click of a link with rules goes. A lookup that fails, or a plan that cannot be run, never fails a
redirect: the click goes to the link's own destination, and its record says so.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from time import time
from typing import Any, NamedTuple

from config.configuration import PublishedLink
from config.geo import GeoDatabases
from edge.routing.request_facts import RequestFacts
from edge.routing.rotations import Rotations
from edge.routing.seen_visitors import SeenVisitors
from tracking.clicks import Expansion
from tracking.routing import UNREADABLE, Capacity, How, Plan, Visitor, expansion_of, outcome_of, run_plan

_log = logging.getLogger(__name__)


class Choice(NamedTuple):
    """Where a click goes. `expansion` is None for the link's own destination, or its profile's fallback if `how`
    says so.

    `routing` is as in tracking.spool.Click.
    """

    expansion: Expansion | None
    how: str | None
    routing: list[Any]


@dataclass(frozen=True, slots=True)
class Chooser:
    """Chooses for one process. `now_s` gives Unix seconds, `draw` a random number from 0 to below 1."""

    geo: GeoDatabases
    capacity: Capacity
    rotations: Rotations
    seen: SeenVisitors
    now_s: Callable[[], float] = time
    draw: Callable[[], float] = random.random

    def choose(self, plan: Plan, link: PublishedLink, env: dict[str, Any], ip: str) -> Choice:
        """Return where a click goes, and take its place in the caps."""
        facts = RequestFacts(env, ip, link, (self.geo, self.seen), int(self.now_s()))
        visitor = Visitor(facts, self.capacity, self.draw)
        try:
            chosen = run_plan(plan, visitor, self.rotations.get)
            if plan.asks_visitor:
                # Also where another rule decided, the visitor is here now.
                _ = facts.returning
        except UNREADABLE as error:
            _report(link.link_id, plan.revision, repr(error))
            return Choice(None, How.BROKEN, [plan.revision, [], None, None, How.BROKEN, {}])
        expansion = chosen.expansion
        if chosen.rotation is not None and chosen.destination is not None:
            expansion = expansion_of(chosen.destination, link.sub_defaults, plan.prefix)
        return Choice(expansion, chosen.how, outcome_of(plan, chosen, facts.looked_up))


@lru_cache(1024)
def _report(link_id: int, revision: int, error: str) -> None:
    """Log that rules cannot be run, once for a revision: there may be thousands of clicks a second."""
    _log.error("the rules of link %s, revision %s, cannot be run: %s", link_id, revision, error)
