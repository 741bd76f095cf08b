"""What is asked of the stream's process: whether it answers, whether streams can be opened, and its metrics."""

from __future__ import annotations

from http import HTTPStatus

import falcon
import falcon.asgi
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from admin_api.stream.follower import Follower
from admin_api.stream.viewers import Viewers


class Livez:
    """GET /livez: the process answers."""

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer 200."""
        resp.media = {"status": "alive"}


class Readyz:
    """GET /readyz: streams can be opened."""

    def __init__(self, viewers: Viewers, follower: Follower) -> None:
        self._viewers = viewers
        self._follower = follower

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer 200, or 503 while PostgreSQL is away."""
        ready = bool(self._viewers.position) and not self._follower.away
        resp.status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        resp.media = {"status": "ready" if ready else "not ready", "database": "up" if ready else "away"}


class StreamCollector(Collector):
    """The process's metrics, read when they are asked for."""

    def __init__(self, viewers: Viewers, follower: Follower) -> None:
        self._viewers = viewers
        self._follower = follower

    def collect(self) -> list[Metric]:
        """Return the metric families."""
        ended = CounterMetricFamily("waypost_stream_ended", "Streams that this process ended", labels=["reason"])
        for reason, count in sorted(self._viewers.dropped.items()):
            ended.add_metric([reason], count)
        away = self._follower.away
        return [
            GaugeMetricFamily("waypost_stream_viewers", "Open streams", value=len(self._viewers)),
            CounterMetricFamily("waypost_stream_opened", "Streams that were opened", value=self._viewers.opened),
            ended,
            GaugeMetricFamily("waypost_stream_round_seconds", "What the last round took", value=self._follower.took_s),
            GaugeMetricFamily("waypost_stream_database_up", "Whether PostgreSQL answered", value=not away),
        ]


class Metrics:
    """GET /metrics in Prometheus' text format."""

    def __init__(self, collector: Collector) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(collector)

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer 200."""
        resp.content_type = "text/plain; version=0.0.4; charset=utf-8"
        resp.data = generate_latest(self._registry)
