"""The rules of links: their documents, rotations, and what refuses loops."""

from __future__ import annotations

from admin_api.routing.conditions import TimeZone
from admin_api.routing.copies import without_numbers
from admin_api.routing.document import RoutingFields
from admin_api.routing.explanation import RoutingDecision, load_decision
from admin_api.routing.loops import load_own_places, refuse_link_loop, refuse_profile_loop
from admin_api.routing.preparation import drafted_routing, prepared_routing
from admin_api.routing.routes import routing_routes
from admin_api.routing.shown import shown_like

__all__ = [
    "RoutingDecision",
    "RoutingFields",
    "TimeZone",
    "drafted_routing",
    "load_decision",
    "load_own_places",
    "prepared_routing",
    "refuse_link_loop",
    "refuse_profile_loop",
    "routing_routes",
    "shown_like",
    "without_numbers",
]
