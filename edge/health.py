"""Tells whether the edge is alive, whether it can serve, and what it has counted: /livez, /readyz, /metrics and
/click?test=1.
"""

from __future__ import annotations

from pathlib import Path
from time import time
from typing import Any

import falcon
import orjson
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from config.configuration import MirrorReader, decode_profile, profile_key
from config.geo import GeoDatabases
from edge.caps import cap_metrics
from edge.http import GEO_INDEX, NEXT_HOP_INDEX, OUTCOME_INDEX, ROUTING_INDEX, Outcome, host_name, set_problem
from edge.spool import (
    Recorder,
    outcome_files,
    read_counters,
    read_spool_counts,
    settled_spools,
    spool_bytes,
    spool_directories,
)
from tracking.spool import stream_of

# The agent touches this file in the mirror's directory whenever Redis confirms that the mirror is up to date.
CONFIRMED_NAME = "confirmed"
_COUNTED = 1 + max((*OUTCOME_INDEX.values(), *NEXT_HOP_INDEX.values(), *ROUTING_INDEX.values(), *GEO_INDEX.values()))


class LiveResource:
    """GET /livez: the process answers."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer 200."""
        resp.content_type = "text/plain"
        resp.data = b"ok\n"


class ReadyResource:
    """GET /readyz: a configuration is loaded and the spool takes records."""

    def __init__(self, mirror: MirrorReader, recorder: Recorder) -> None:
        self._mirror = mirror
        self._recorder = recorder

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer 200, or 503 with what is missing."""
        if self._mirror.meta() is None:
            set_problem(resp, 503, Outcome.MIRROR_EMPTY, "No configuration has arrived yet; is the agent running?")
        elif not self._recorder.healthy():
            set_problem(
                resp,
                503,
                Outcome.NOT_LOGGED,
                "The spool takes no records (full, or a failing disk); redirects go on, clicks are counted as lost.",
            )
        else:
            resp.content_type = "text/plain"
            resp.data = b"ready\n"


class TestClickResource:
    """GET /click?test=1: which profile answers on this host and whether a click here would be kept."""

    def __init__(self, mirror: MirrorReader, recorder: Recorder, geo: GeoDatabases, mirror_dir: Path) -> None:
        self._mirror = mirror
        self._recorder = recorder
        self._geo = geo
        self._confirmed = mirror_dir / CONFIRMED_NAME

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer 200 with a JSON object."""
        if req.get_param("test") != "1":
            set_problem(resp, 404, Outcome.UNKNOWN_SLUG, "Follow /click/{slug}, or ask /click?test=1 about this host.")
            resp.set_header("X-Waypost-Reason", Outcome.UNKNOWN_SLUG)
            return
        host = host_name(req.env)
        meta = self._mirror.meta()
        served = self._mirror.get(profile_key(host))[0] if host.isascii() and len(host) < 254 else None
        profile = decode_profile(served) if served else None
        answer: dict[str, Any] = {
            "host": host,
            "profile": profile
            and {"profile_id": profile.profile_id, "name": profile.name, "redirect_type": profile.redirect_type},
            "active": profile is not None and profile.active,
            "mirror": meta
            and {"version": meta.version, "entries": meta.entries, "confirmed_s_ago": self._confirmed_s_ago()},
            "spool": {"healthy": self._recorder.healthy()},
            # Empty: the built-in table tells the country, and nothing else is known of an address.
            "geo": {"databases": self._geo.in_use()},
        }
        resp.content_type = "application/json"
        resp.data = orjson.dumps(answer)
        resp.set_header("Cache-Control", "no-store, private")

    def _confirmed_s_ago(self) -> float | None:
        try:
            return round(max(0.0, time() - self._confirmed.stat().st_mtime), 3)
        except FileNotFoundError:
            return None


class MetricsResource:
    """GET /metrics: the counters of all edge processes of this host, read from their files. Any process can answer."""

    def __init__(self, collector: Collector) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(collector)

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer in Prometheus' text format."""
        resp.content_type = CONTENT_TYPE_LATEST
        resp.data = generate_latest(self._registry)


class EdgeCollector(Collector):
    """Adds up the counter files of all slots."""

    def __init__(self, mirror: MirrorReader, spool_dir: Path) -> None:
        self._mirror = mirror
        self._spool_dir = spool_dir

    def collect(self) -> list[Metric]:
        """Return the metric families."""
        answers = CounterMetricFamily("waypost_edge_answers", "Answers by outcome", labels=["outcome"])
        hops = CounterMetricFamily("waypost_edge_next_hops", "Next hops that clicks named", labels=["result"])
        counted = self._counted()
        for outcome, place in OUTCOME_INDEX.items():
            answers.add_metric([outcome.value], counted[place])
        for result, place in NEXT_HOP_INDEX.items():
            hops.add_metric([result.value], counted[place])
        routing = CounterMetricFamily(
            "waypost_edge_routing", "Clicks that no rule sent to a destination", labels=["how"]
        )
        for how, place in ROUTING_INDEX.items():
            routing.add_metric([how.value], counted[place])
        geo = CounterMetricFamily("waypost_edge_geo", "Databases of addresses, and failures", labels=["event"])
        for event, place in GEO_INDEX.items():
            geo.add_metric([event.value], counted[place])
        issued = CounterMetricFamily("waypost_edge_issued", "Requests that were to be recorded", labels=["stream"])
        lost = CounterMetricFamily("waypost_edge_declared_lost", "Of these, not logged", labels=["stream"])
        # The settled spools are read last: a spool that is moved in between is found there, and counted once by its
        # name.
        found = {spool.name: read_spool_counts(spool) for spool in spool_directories(self._spool_dir)}
        found.update({spool.name: read_spool_counts(spool) for spool in settled_spools(self._spool_dir)})
        sums: dict[str, list[int]] = {"clicks": [0, 0], "postbacks": [0, 0]}
        for spool_id, counts in found.items():
            if counts is not None:
                sums[stream_of(spool_id)][0] += counts.issued
                sums[stream_of(spool_id)][1] += counts.declared_lost
        for stream, (issued_count, lost_count) in sums.items():
            issued.add_metric([stream], issued_count)
            lost.add_metric([stream], lost_count)
        size = GaugeMetricFamily(
            "waypost_edge_spool_bytes", "Bytes of spool on disk", value=spool_bytes(self._spool_dir)
        )
        meta = self._mirror.meta()
        version = GaugeMetricFamily(
            "waypost_edge_mirror_version", "Configuration version", value=meta.version if meta else 0
        )
        return [answers, hops, routing, geo, issued, lost, size, version, *cap_metrics(self._spool_dir)]

    def _counted(self) -> list[int]:
        """Return the sums of the words of all slots' counter files."""
        sums = [0] * _COUNTED
        for path in outcome_files(self._spool_dir):
            found = read_counters(path, _COUNTED)
            if found is not None:
                sums = [total + count for total, count in zip(sums, found, strict=True)]
        return sums
