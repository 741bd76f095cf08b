"""Wires the admin process. gunicorn imports this in its one worker, where app, publisher and mailer live together."""

from __future__ import annotations

import atexit
import logging

from admin_api.app import App, Collaborators, create_app
from admin_api.configuration import Publisher
from admin_api.people import SessionLimits
from admin_api.reports import PostgresReports
from admin_api.resources import Addresses
from admin_api.runtime import connect_redis, open_pool
from admin_api.saved_reports import Mailer, ReportRenderer
from admin_api.tracing import TracedApp
from config.settings import AdminSettings, admin_settings
from config.tracing import start_tracing


def start(settings: AdminSettings) -> App:
    """Return the app with its publisher running. Both end with the process."""
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s", force=False
    )
    # The pool logs every attempt during an outage; the answers of /readyz and the 503s report the outage already.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    pool = open_pool(settings.admin_database_url, settings.threads + 2)
    redis = connect_redis(settings.redis_url)
    collaborators = Collaborators(
        pool=pool,
        redis=redis,
        addresses=Addresses(settings.public_scheme, settings.edge_port, settings.intake_port),
        click_id_keys=settings.click_id_keys,
        outgoing_networks=settings.outgoing.allowed_networks,
        retention=settings.retention,
        reports=settings.reports,
        mail=settings.mail,
        edge_host=settings.edge_host,
        public_place=settings.public_place,
        requests_per_minute=settings.requests_per_minute,
        session_limits=SessionLimits(settings.session_idle, settings.session_longest),
        trusted_proxies=settings.trusted_proxies,
    )
    publisher = Publisher(settings.admin_database_url, connect_redis(settings.redis_url), collaborators.measurements)
    publisher.start()
    reports = PostgresReports(pool, settings.reports.timeout_s)
    mailer = Mailer(pool, ReportRenderer(reports, settings.reports), settings.mail)
    mailer.start()
    # These run in reverse: first the mailer and the publisher end, then what it and the requests used.
    atexit.register(redis.close)
    atexit.register(pool.close)
    atexit.register(publisher.stop)
    atexit.register(mailer.stop)
    return create_app(collaborators)


_settings = admin_settings()
_traced = start_tracing(_settings.traces_endpoint, "waypost-admin")
app = TracedApp(start(_settings)) if _traced else start(_settings)
