"""The figures of health as Prometheus metrics. They come from the probes, so a scrape costs what a question costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from admin_api.health.facts import DatabaseFacts, RedisFacts
from admin_api.health.installation import Installation


class InstallationCollector(Collector):
    """Collects what is known; a figure that is not known is left out."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation

    def describe(self) -> Iterable[Metric]:
        """Return nothing: registering must ask no server."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Return the metric families."""
        database, redis = self._installation.facts()
        families = [
            _gauge("waypost_redis_up", "Whether Redis answered", [((), float(redis is not None))]),
            _gauge(
                "waypost_certificate_days",
                "Days until the certificate of a tracking domain expires",
                [((domain,), left) for domain, left in self._installation.certificate_days().items()],
                "domain",
            ),
        ]
        size = self._installation.size()
        if size is not None:
            families.append(_gauge("waypost_database_bytes", "Size of the database on disk", [((), size)]))
        if database is not None:
            families += _of_database(database)
        if redis is not None:
            families += _of_redis(redis)
        return families


def _of_database(facts: DatabaseFacts) -> list[Metric]:
    return [
        _gauge(
            "waypost_partition_days_ahead",
            "Days ahead for which a table has partitions",
            [((table,), days) for table, days in facts.ahead_days.items()],
            "table",
        ),
        _gauge("waypost_schema_missing", "Migrations that are not applied", [((), len(facts.missing_migrations))]),
        _gauge("waypost_outbox_age_seconds", "Age of the oldest change to publish", [((), facts.outbox_age_s or 0)]),
        _gauge("waypost_report_queue_batches", "Batches to fold into reports", [((), facts.report_batches)]),
        _gauge("waypost_report_queue_age_seconds", "Age of the oldest of them", [((), facts.report_age_s or 0)]),
    ]


def _of_redis(facts: RedisFacts) -> list[Metric]:
    hosts = facts.hosts.items()
    oldest = [
        ((node, stream), age_s or 0.0)
        for node, host in hosts
        for stream, age_s in (("clicks", host.oldest_click_s), ("postbacks", host.oldest_postback_s))
    ]
    by_host = (
        ("waypost_host_report_age_seconds", "Since when a host is silent", "age_s"),
        ("waypost_host_clock_offset_seconds", "How far a clock is ahead of that of Redis", "clock_offset_s"),
        ("waypost_host_mirror_version", "Version of the configuration that a host serves", "version"),
        ("waypost_host_disk_free_bytes", "Room on the disk of a spool", "disk_free_bytes"),
        ("waypost_host_disk_bytes", "Size of the disk of a spool", "disk_bytes"),
    )
    return [
        _by_name("waypost_queue_jobs", "Jobs that wait", facts.waiting, "queue"),
        _by_name("waypost_queue_failed", "Jobs that failed lately", facts.failed, "queue"),
        _gauge("waypost_redis_bytes", "Memory that Redis uses", [((), facts.used_bytes)]),
        _gauge("waypost_host_oldest_record_seconds", "Age of the oldest record not stored", oldest, "host", "stream"),
        *(
            _by_name(name, text, {node: getattr(host, field) for node, host in hosts}, "host")
            for name, text, field in by_host
        ),
    ]


def _by_name(name: str, text: str, values: Mapping[str, float], label: str) -> Metric:
    return _gauge(name, text, [((each,), value) for each, value in values.items()], label)


def _gauge(name: str, text: str, values: Iterable[tuple[tuple[str, ...], float]], *labels: str) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for names, value in values:
        family.add_metric(names, value)
    return family
