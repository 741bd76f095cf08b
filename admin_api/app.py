"""The admin API's Falcon app, built from its collaborators, which wsgi.py makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

import falcon
import orjson
from falcon.media import JSONHandler
from redis import Redis

from admin_api.audit import audit_routes
from admin_api.bulk_links import bulk_link_routes
from admin_api.caps import cap_routes
from admin_api.clicks import click_routes
from admin_api.configuration import configuration_routes
from admin_api.conversions import conversion_routes
from admin_api.domain_check import DomainChecker, domain_check_routes
from admin_api.dry_run import dry_run_routes
from admin_api.event_log import event_log_routes
from admin_api.health import health_routes
from admin_api.http import Authentication, KeptAnswers, RateLimit, Route, handle_error, open_paths
from admin_api.issues import issue_routes
from admin_api.link_test import LinkTester, OwnEdge, Web, link_test_routes
from admin_api.money import money_routes
from admin_api.openapi import documented
from admin_api.outgoing import outgoing_routes
from admin_api.people import Doorkeeper, Passwords, SessionLimits, people_routes
from admin_api.postbacks import postback_routes
from admin_api.privacy import privacy_routes
from admin_api.reconciliation import reconciliation_routes
from admin_api.reports import PostgresReports, export_routes, report_routes, usual_now
from admin_api.resources import Addresses
from admin_api.rights import Hiding, RightsCheck
from admin_api.routing import routing_routes
from admin_api.runtime import Measurements, Pool
from admin_api.saved_reports import ReportRenderer, saved_report_routes
from admin_api.spool import ledger_routes
from admin_api.tracing import ROUTE
from admin_api.traffic import traffic_routes
from config.settings import MailSettings, PublicPlace, ReportSettings, RetentionDays, default_retention
from tracking.outgoing import Network

App = falcon.App[falcon.Request, falcon.Response]


@dataclass(frozen=True, slots=True)
class Collaborators:
    """What the app works with. All threads share one of each."""

    pool: Pool
    redis: Redis
    addresses: Addresses
    click_id_keys: tuple[bytes, ...]
    measurements: Measurements = field(default_factory=Measurements)
    # Private networks that outgoing postbacks may be sent to.
    outgoing_networks: tuple[Network, ...] = ()
    retention: RetentionDays = field(default_factory=default_retention)
    # Where the edge takes test clicks.
    edge_host: str = "127.0.0.1"
    # Where tracking domains are to point.
    public_place: PublicPlace = field(default_factory=PublicPlace)
    reports: ReportSettings = field(default_factory=ReportSettings)
    # None where no mail server is set.
    mail: MailSettings | None = None
    # How many requests each caller may make; 0 is no limit.
    requests_per_minute: int = 0
    passwords: Passwords = field(default_factory=Passwords)
    session_limits: SessionLimits = field(default_factory=SessionLimits)
    # How many proxies in front of the admin API append to X-Forwarded-For.
    trusted_proxies: int = 0
    # The moment, as logins see it.
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))


class Accounting:
    """Falcon middleware: counts requests by route and keeps answers, which hold secrets, out of every cache."""

    def __init__(self, measurements: Measurements) -> None:
        self._measurements = measurements

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, req_succeeded: bool
    ) -> None:
        """Run after every request, failed or not."""
        resp.set_header("Cache-Control", "no-store")
        # A client could make up label values at will with methods outside the standard ones.
        method = req.method if req.method in falcon.HTTP_METHODS else "other"
        req.env[ROUTE] = req.uri_template
        self._measurements.requests.labels(req.uri_template or "none", method, str(resp.status_code)).inc()


def create_app(collaborators: Collaborators) -> App:
    """Return the WSGI app."""
    routes = documented(routes_of(collaborators))
    authentication = Authentication(collaborators.pool, open_paths(routes), collaborators.trusted_proxies)
    limit = RateLimit(collaborators.requests_per_minute)
    app: App = falcon.App(
        middleware=[
            *(Accounting(collaborators.measurements), authentication, limit),
            *(RightsCheck(), KeptAnswers(collaborators.pool), Hiding()),
        ]
    )
    json = JSONHandler(dumps=partial(orjson.dumps, option=orjson.OPT_UTC_Z), loads=orjson.loads)
    for options in (app.req_options, app.resp_options):
        options.media_handlers.clear()
        options.media_handlers[falcon.MEDIA_JSON] = json
    app.req_options.strip_url_path_trailing_slash = True
    app.req_options.keep_blank_qs_values = True
    # This handles Falcon's own errors too: Falcon has a handler for them, which this one must replace by name.
    app.add_error_handler((Exception, falcon.HTTPError), handle_error)

    for path, resource in routes:
        app.add_route(path, resource)
    return app


def routes_of(collaborators: Collaborators) -> list[Route]:
    """Return all routes except those of the documentation."""
    pool, redis, addresses = collaborators.pool, collaborators.redis, collaborators.addresses
    keys = collaborators.click_id_keys
    edge = OwnEdge(collaborators.edge_host, addresses)
    reports = PostgresReports(pool, collaborators.reports.timeout_s)
    web = Web(collaborators.outgoing_networks)
    tester = LinkTester(edge, keys, web)
    return [
        *people_routes(
            pool, Doorkeeper(pool, collaborators.passwords, collaborators.session_limits, collaborators.clock)
        ),
        *configuration_routes(pool, addresses),
        *routing_routes(pool, addresses),
        *dry_run_routes(pool),
        *cap_routes(pool, redis),
        *link_test_routes(pool, addresses, tester),
        *domain_check_routes(pool, collaborators.public_place, web),
        *bulk_link_routes(pool, addresses),
        *conversion_routes(pool, addresses),
        *money_routes(pool, addresses),
        *click_routes(pool, keys, usual_now(collaborators.reports), collaborators.reports.timeout_s),
        *event_log_routes(pool, keys),
        *postback_routes(pool, redis),
        *issue_routes(pool),
        *outgoing_routes(pool, addresses, collaborators.outgoing_networks),
        *reconciliation_routes(pool, keys),
        *privacy_routes(pool, collaborators.retention, keys),
        *traffic_routes(pool),
        *ledger_routes(pool, redis),
        *audit_routes(pool),
        *report_routes(pool, reports, collaborators.reports),
        *export_routes(reports, usual_now(collaborators.reports)),
        *saved_report_routes(pool, addresses, ReportRenderer(reports, collaborators.reports), collaborators.mail),
        *health_routes(pool, redis, collaborators.measurements, DomainChecker(collaborators.public_place, web)),
    ]
