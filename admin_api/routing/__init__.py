"""The rules of links: their documents, rotations, and what refuses loops."""

from __future__ import annotations

from admin_api.routing.document import RoutingFields
from admin_api.routing.loops import refuse_fallback_loop, refuse_link_loop
from admin_api.routing.preparation import prepared_routing
from admin_api.routing.routes import routing_routes
from admin_api.routing.shown import shown_like

__all__ = [
    "RoutingFields",
    "prepared_routing",
    "refuse_fallback_loop",
    "refuse_link_loop",
    "routing_routes",
    "shown_like",
]
