"""Builds the edge's WSGI application from its collaborators; edge.wsgi does the wiring."""

from __future__ import annotations

from dataclasses import dataclass

import falcon

from config.configuration import MirrorReader
from config.geo import GeoDatabases
from config.settings import EdgeSettings
from edge.clicks import ClickResource, LinkTestResource, Router, SpecialLinks
from edge.health import EdgeCollector, LiveResource, MetricsResource, ReadyResource, TestClickResource
from edge.http import EdgeRequest, EdgeResponse, serialize_error
from edge.postbacks import (
    Accounts,
    DuplicateMarkers,
    JsonPostbackResource,
    NonceStore,
    PostbackReader,
    PostbackResponder,
    RateLimits,
    ReaderSettings,
    TokenPostbackResource,
)
from edge.routing import Chooser, Rotations, SeenVisitors
from edge.spool import Recorder
from tracking.routing import Capacity


@dataclass(frozen=True, slots=True)
class Collaborators:
    """The objects that the resources of one process share."""

    mirror: MirrorReader
    recorder: Recorder
    geo: GeoDatabases
    capacity: Capacity
    markers: DuplicateMarkers


def create_app(settings: EdgeSettings, parts: Collaborators) -> falcon.App[EdgeRequest, EdgeResponse]:
    """Return the application with every route of the edge."""
    app: falcon.App[EdgeRequest, EdgeResponse] = falcon.App(
        media_type=falcon.MEDIA_TEXT, request_type=EdgeRequest, response_type=EdgeResponse
    )
    app.set_error_serializer(serialize_error)
    rotations = Rotations(parts.mirror)
    chooser = Chooser(parts.geo, parts.capacity, rotations, SeenVisitors(settings.spool_dir))
    router = Router(parts.mirror, rotations)
    special = SpecialLinks(parts.mirror, chooser, settings.trusted_proxies)
    click = ClickResource(router, parts.recorder, special)
    test = LinkTestResource(router, special, settings.click_id_keys)
    reader = PostbackReader(
        Accounts(parts.mirror),
        RateLimits(settings.postback_rate_per_minute),
        NonceStore(settings.spool_dir),
        parts.markers,
        ReaderSettings(settings.click_id_keys, settings.postback_body_bytes),
    )
    responder = PostbackResponder(reader, parts.recorder, settings.postback_body_bytes, settings.trusted_proxies)
    for prefix in ("/click", "/route"):
        app.add_route(f"{prefix}/{{slug}}", click)
    app.add_route("/test-click/{slug}", test)
    app.add_route("/click", TestClickResource(parts.mirror, parts.recorder, parts.geo, settings.mirror_dir))
    app.add_route("/v1/postback", JsonPostbackResource(responder))
    for prefix in ("/postback", "/post-back"):
        app.add_route(f"{prefix}/{{token}}", TokenPostbackResource(responder))
    app.add_route("/livez", LiveResource())
    app.add_route("/readyz", ReadyResource(parts.mirror, parts.recorder))
    app.add_route("/metrics", MetricsResource(EdgeCollector(parts.mirror, settings.spool_dir)))
    return app
