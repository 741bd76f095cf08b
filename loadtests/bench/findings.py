"""What a run found, and the situations it measures."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import NamedTuple

NGINX = "nginx"
LARGE, SMALL = 1_000_000, 10
# The link that links with rules are compared with.
PLAIN = "link1"


class Situation(NamedTuple):
    """How many links there are, whether some are in demand more than others, and whether they change meanwhile."""

    links: int
    skewed: bool
    churn: bool

    @property
    def name(self) -> str:
        """Return it in words."""
        mix = "" if self.links == SMALL else ", skewed" if self.skewed else ", uniform"
        return f"{self.links:,} links{mix}{', 100 changes/s' if self.churn else ''}"


SMALL_QUIET = Situation(SMALL, skewed=False, churn=False)
LARGE_QUIET = Situation(LARGE, skewed=False, churn=False)
SITUATIONS = (
    SMALL_QUIET,
    Situation(SMALL, skewed=False, churn=True),
    LARGE_QUIET,
    Situation(LARGE, skewed=False, churn=True),
    Situation(LARGE, skewed=True, churn=False),
    Situation(LARGE, skewed=True, churn=True),
)


@dataclass
class Findings:
    """One run. `rates` are answers a second by server and situation, one a round; so are the others, one a round."""

    rounds: int
    seconds: int
    rates: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    start_s: dict[str, list[float]] = field(default_factory=dict)
    # Bytes in all, and those that are the process's own and not of a file.
    resident_mb: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    # By server and pace: requests a second, and the 50th and 99th percentile.
    latency_ms: dict[str, dict[str, list[tuple[float, float, float]]]] = field(default_factory=dict)
    # By server and link: answers a second of one plain link, and of links with rules (loadtests.bench.routed).
    routed: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    changes_per_s: list[float] = field(default_factory=list)
    build_s: float = 0.0
    mirror_mb: float = 0.0

    def add(self, server: str, situation: Situation, rate: float) -> None:
        """Keep one round's rate."""
        self.rates.setdefault(server, {}).setdefault(situation.name, []).append(rate)

    def note_latencies(self, server: str, pace: str, rate: float, latencies_ms: list[float]) -> None:
        """Keep what one round of the paced client found."""
        cuts = statistics.quantiles(latencies_ms, n=100)
        self.latency_ms.setdefault(server, {}).setdefault(pace, []).append((rate, cuts[49], cuts[98]))

    def rate(self, server: str, situation: Situation) -> float | None:
        """Return the median rate, or None where that was not measured."""
        values = self.rates.get(server, {}).get(situation.name)
        return statistics.median(values) if values else None

    def ratio(self, server: str, situation: Situation) -> float | None:
        """Return the median rate as a share of nginx's median of the same run."""
        rate, limit = self.rate(server, situation), self.rate(NGINX, SMALL_QUIET)
        return rate / limit if rate is not None and limit else None

    def routed_ratio(self, server: str, slug: str) -> float | None:
        """Return the median rate of a link as a share of that of the plain link in the same run."""
        found = self.routed.get(server, {})
        if slug not in found:
            return None
        return statistics.median(found[slug]) / statistics.median(found[PLAIN])

    def latency(self, server: str, pace: str) -> tuple[float, float, float] | None:
        """Return the medians of the rate, the 50th and the 99th percentile, or None where that was not measured."""
        values = self.latency_ms.get(server, {}).get(pace)
        if not values:
            return None
        rates, middles, lasts = zip(*values, strict=True)
        return statistics.median(rates), statistics.median(middles), statistics.median(lasts)

    def resident(self, server: str) -> tuple[float, float] | None:
        """Return the medians of the bytes in all and of the process's own, in MB."""
        values = self.resident_mb.get(server)
        if not values:
            return None
        every, own = zip(*values, strict=True)
        return statistics.median(every), statistics.median(own)
