"""The routes of health and metrics."""

from __future__ import annotations

import falcon
from redis import Redis

from admin_api.domain_check import DomainChecker
from admin_api.health.certificates import CertificateWatch
from admin_api.health.installation import Installation
from admin_api.health.metrics import InstallationCollector
from admin_api.health.objects import Health
from admin_api.health.process import Livez, Metrics, Readyz
from admin_api.http import Route, operation
from admin_api.runtime import Measurements, Pool


class HealthItem:
    """The state of the installation as a resource."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation

    @operation("Show the state of the installation")
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> Health:
        """Each part with its state and what to do about it. What cannot be asked within a second is `unknown`."""
        return self._installation.health()


def health_routes(pool: Pool, redis: Redis, measurements: Measurements, checker: DomainChecker) -> list[Route]:
    """Return the routes of health and metrics."""
    installation = Installation(pool, redis, CertificateWatch(pool, checker))
    measurements.registry.register(InstallationCollector(installation))
    return [
        Route("/livez", Livez()),
        Route("/readyz", Readyz(pool, redis)),
        Route("/metrics", Metrics(pool, redis, measurements)),
        Route("/v1/health", HealthItem(installation)),
    ]
