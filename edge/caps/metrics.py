"""What /metrics says of caps. The labels are few: figures of single caps are in the admin API."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from edge.caps.table import read_sums


def cap_metrics(spool_dir: Path) -> list[Metric]:
    """Return the metric families, from what the agent added up last."""
    sums = read_sums(spool_dir)
    caps = GaugeMetricFamily("waypost_edge_caps", "Caps of this host", labels=["state"])
    clicks = GaugeMetricFamily("waypost_edge_cap_clicks", "Clicks of caps in their present periods", labels=["state"])
    caps.add_metric(["served"], sums.caps)
    caps.add_metric(["exhausted"], sums.exhausted)
    clicks.add_metric(["granted"], sums.granted)
    clicks.add_metric(["used"], sums.used)
    refused = CounterMetricFamily(
        "waypost_edge_cap_refused", "How often a click found a cap exhausted", value=sums.refused
    )
    return [caps, clicks, refused]
