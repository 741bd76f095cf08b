"""The admin API's Falcon app, made of its collaborators; wsgi.py makes those."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import falcon
import orjson
from falcon.media import JSONHandler
from redis import Redis

from admin_api.clicks import ClickItem
from admin_api.configuration import LINKS, MERCHANTS, PROFILES, SOURCES, MerchantSecrets, MerchantTokens, PlatformList
from admin_api.configuration import tracking_domain as ask
from admin_api.event_log import ClickTrace, TraceSearch
from admin_api.health import Livez, Metrics, Readyz
from admin_api.http import Authentication, handle_error
from admin_api.issues import IssueItem, Issues
from admin_api.money_routes import add_money_routes
from admin_api.outgoing import (
    Deliveries,
    DeliveriesReplay,
    DeliveryItem,
    DeliveryReplay,
    OutgoingPostbackItem,
    OutgoingPostbacks,
    OutgoingPostbackSecret,
    OutgoingPostbackTest,
    PostbackTemplates,
    outgoing_postbacks,
)
from admin_api.postbacks import (
    ManyReplays,
    PostbackReplay,
    Postbacks,
    ReplayItem,
    ReplayJudgements,
    ReplayRequests,
    Replays,
)
from admin_api.reconciliation import (
    ReconciliationExport,
    ReconciliationIssues,
    ReconciliationItem,
    ReconciliationRows,
    Reconciliations,
)
from admin_api.resources import Addresses, Collection, Item, Noun
from admin_api.runtime import Measurements, Pool
from admin_api.spool import LedgerItem
from tracking.outgoing import Network

App = falcon.App[falcon.Request, falcon.Response]


@dataclass(frozen=True, slots=True)
class Collaborators:
    """What the app works with. One of each serves all threads."""

    pool: Pool
    redis: Redis
    addresses: Addresses
    click_id_keys: tuple[bytes, ...]
    measurements: Measurements = field(default_factory=Measurements)
    # Private networks that outgoing postbacks may go to.
    outgoing_networks: tuple[Network, ...] = ()


class Accounting:
    """Falcon middleware: counts requests by route and keeps answers, which hold secrets, out of every cache."""

    def __init__(self, measurements: Measurements) -> None:
        self._measurements = measurements

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, req_succeeded: bool
    ) -> None:
        """Run after every request, failed or not."""
        resp.set_header("Cache-Control", "no-store")
        # A method outside the standard ones would let a client make label values at will.
        method = req.method if req.method in falcon.HTTP_METHODS else "other"
        self._measurements.requests.labels(req.uri_template or "none", method, str(resp.status_code)).inc()


def create_app(collaborators: Collaborators) -> App:
    """Return the WSGI app."""
    pool, redis, measurements = collaborators.pool, collaborators.redis, collaborators.measurements
    app: App = falcon.App(middleware=[Accounting(measurements), Authentication(pool)])
    json = JSONHandler(dumps=partial(orjson.dumps, option=orjson.OPT_UTC_Z), loads=orjson.loads)
    for options in (app.req_options, app.resp_options):
        options.media_handlers.clear()
        options.media_handlers[falcon.MEDIA_JSON] = json
    app.req_options.strip_url_path_trailing_slash = True
    app.req_options.keep_blank_qs_values = True
    # Falcon's own errors too: it has a handler for them that this one must replace by name.
    app.add_error_handler((Exception, falcon.HTTPError), handle_error)

    def collection(noun: Noun) -> Collection:
        return Collection(noun, pool, collaborators.addresses)

    def item(noun: Noun) -> Item:
        return Item(noun, pool, collaborators.addresses)

    app.add_route("/v1/profiles", collection(PROFILES))
    app.add_route("/v1/profiles/{object_id}", item(PROFILES))
    app.add_route("/v1/merchants", collection(MERCHANTS))
    app.add_route("/v1/merchants/{object_id}", item(MERCHANTS))
    app.add_route("/v1/merchants/{object_id}/tokens", MerchantTokens(pool, collaborators.addresses))
    app.add_route("/v1/merchants/{object_id}/secrets", MerchantSecrets(pool))
    app.add_route("/v1/platforms", PlatformList())
    app.add_route("/v1/sources", collection(SOURCES))
    app.add_route("/v1/sources/{object_id}", item(SOURCES))
    app.add_route("/v1/links", collection(LINKS))
    app.add_route("/v1/links/{object_id}", item(LINKS))
    add_money_routes(app, pool, collaborators.addresses)
    app.add_route("/v1/clicks/{click_id}", ClickItem(pool, collaborators.click_id_keys))
    _add_issues_and_replays(app, pool, redis)
    partners = outgoing_postbacks(collaborators.outgoing_networks)
    app.add_route("/v1/outgoing-postbacks", OutgoingPostbacks(partners, pool, collaborators.addresses))
    app.add_route("/v1/outgoing-postbacks/{object_id}", OutgoingPostbackItem(partners, pool, collaborators.addresses))
    app.add_route("/v1/outgoing-postbacks/{object_id}/secret", OutgoingPostbackSecret(partners, pool))
    app.add_route("/v1/outgoing-postbacks/{object_id}/test", OutgoingPostbackTest(partners, pool))
    app.add_route("/v1/postback-templates", PostbackTemplates())
    app.add_route("/v1/deliveries", Deliveries(pool))
    app.add_route("/v1/deliveries/{delivery_id}", DeliveryItem(pool))
    app.add_route("/v1/deliveries/{delivery_id}/replay", DeliveryReplay(pool))
    app.add_route("/v1/deliveries/replay", DeliveriesReplay(pool))
    app.add_route("/v1/ledger", LedgerItem(pool, redis))
    _add_event_log(app, collaborators)
    app.add_route(ask.PATH, ask.TrackingDomain(pool))
    app.add_route("/livez", Livez())
    app.add_route("/readyz", Readyz(pool, redis))
    app.add_route("/metrics", Metrics(pool, redis, measurements))
    return app


def _add_issues_and_replays(app: App, pool: Pool, redis: Redis) -> None:
    """Add the routes of what needs an operator's eye, and of judging postbacks again."""
    app.add_route("/v1/issues", Issues(pool))
    app.add_route("/v1/issues/{issue_id}", IssueItem(pool))
    replays = ReplayRequests(pool, redis)
    app.add_route("/v1/postbacks/replay", ManyReplays(replays))
    app.add_route("/v1/postbacks/{postback_id}/replay", PostbackReplay(replays, pool))
    app.add_route("/v1/replays", Replays(pool))
    app.add_route("/v1/replays/{replay_id}", ReplayItem(pool))
    app.add_route("/v1/replays/{replay_id}/judgements", ReplayJudgements(pool))


def _add_event_log(app: App, collaborators: Collaborators) -> None:
    """Add the routes that say what happened, and what a merchant's report says of it."""
    pool, keys = collaborators.pool, collaborators.click_id_keys
    app.add_route("/v1/clicks/{click_id}/trace", ClickTrace(pool, keys))
    app.add_route("/v1/trace", TraceSearch(pool, keys))
    app.add_route("/v1/postbacks", Postbacks(pool))
    app.add_route("/v1/reconciliations", Reconciliations(pool, keys))
    app.add_route("/v1/reconciliations/{object_id}", ReconciliationItem(pool))
    app.add_route("/v1/reconciliations/{object_id}/issues", ReconciliationIssues(pool))
    app.add_route("/v1/reconciliations/{object_id}/rows", ReconciliationRows(pool))
    app.add_route("/v1/reconciliations/{object_id}/rows.csv", ReconciliationExport(pool))
