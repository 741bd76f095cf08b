"""The routes of conversions and event types."""

from __future__ import annotations

from admin_api.conversions.decisions import Action
from admin_api.conversions.event_types import EventTypeItem, EventTypes
from admin_api.conversions.resource import BulkDecisions, ConversionItem, Conversions
from admin_api.http import Route
from admin_api.resources import Addresses
from admin_api.runtime import Pool


def conversion_routes(pool: Pool, addresses: Addresses) -> list[Route]:
    """Return the routes of conversions and event types."""
    return [
        Route("/v1/event-types", EventTypes(pool, addresses)),
        Route("/v1/event-types/{event}", EventTypeItem(pool)),
        Route("/v1/conversions", Conversions(pool)),
        Route("/v1/conversions/{conversion_id}", ConversionItem(pool)),
        *(Route(f"/v1/conversions/{action}", BulkDecisions(pool, action)) for action in Action),
    ]
