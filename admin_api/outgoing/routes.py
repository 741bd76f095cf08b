"""The routes of outgoing postbacks and deliveries."""

from __future__ import annotations

from admin_api.http import Route
from admin_api.outgoing.deliveries import Deliveries, DeliveriesReplay, DeliveryItem, DeliveryReplay
from admin_api.outgoing.postback_templates import PostbackTemplates
from admin_api.outgoing.resource import OutgoingPostbackSecret, OutgoingPostbackTest, outgoing_postbacks
from admin_api.resources import Addresses, resource_routes
from admin_api.runtime import Pool
from tracking.outgoing import Network


def outgoing_routes(pool: Pool, addresses: Addresses, allowed: tuple[Network, ...]) -> list[Route]:
    """Return the routes. `allowed` are the private networks in which partners may be."""
    resource = outgoing_postbacks(allowed)
    item = resource.item_path
    return [
        *resource_routes(resource, pool, addresses),
        Route(f"{item}/secret", OutgoingPostbackSecret(resource, pool)),
        Route(f"{item}/test", OutgoingPostbackTest(resource, pool)),
        Route("/v1/postback-templates", PostbackTemplates()),
        Route("/v1/deliveries", Deliveries(pool)),
        Route("/v1/deliveries/{delivery_id}", DeliveryItem(pool)),
        Route("/v1/deliveries/{delivery_id}/replay", DeliveryReplay(pool)),
        Route("/v1/deliveries/replay", DeliveriesReplay(pool)),
    ]
