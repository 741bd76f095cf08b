"""The admin API's metrics, in one registry per app: requests, publishing, and the ledger each time it is read."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

LEDGER_FIGURES = ("issued", "stored", "in_flight", "declared_lost", "difference")


class Measurements:
    """Counters and gauges by name. Labels come from closed lists, route patterns and status codes."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "waypost_admin_requests", "requests answered", ["route", "method", "status"], registry=self.registry
        )
        self.publish_failures = Counter(
            "waypost_publish_failures", "rounds of publishing that failed and were begun again", registry=self.registry
        )
        self.published_version = Gauge(
            "waypost_published_version", "version of the configuration that is in Redis", registry=self.registry
        )
        self.outbox_length = Gauge("waypost_outbox_length", "changes that wait to be published", registry=self.registry)
        self.deliveries_overdue = Gauge(
            "waypost_deliveries_overdue", "deliveries that should have been sent 10 s ago", registry=self.registry
        )
        self.outgoing_suspended = Gauge(
            "waypost_outgoing_suspended", "outgoing postbacks that are suspended", registry=self.registry
        )
        self.database_up = Gauge("waypost_database_up", "whether PostgreSQL answered", registry=self.registry)
        self.ledger = Gauge("waypost_ledger", "the ledger's figures", ["stream", "figure"], registry=self.registry)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)
