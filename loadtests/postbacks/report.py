"""What a run found: a table on the terminal, and a dated JSON file and Markdown page under loadtests/results/."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from loadtests.bench.report import machine

P99_MS_MAX = 20.0
RATIO_MAX = 2.0


@dataclass
class Arrangement:
    """One way to run the intake: milliseconds, one item a round."""

    quiet_p99: list[float] = field(default_factory=list)
    burst_p99: list[float] = field(default_factory=list)
    postback_p50: list[float] = field(default_factory=list)
    postback_p99: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """The redirects' p99 in a burst as a multiple of the quiet one: the median of the rounds' ratios."""
        return statistics.median(burst / quiet for burst, quiet in zip(self.burst_p99, self.quiet_p99, strict=True))


@dataclass
class Findings:
    """One run. `arrangements` are by disk (how much longer a sync takes, in ms) and name."""

    server: str
    rounds: int
    seconds: float
    clicks_per_s: float
    postbacks_per_s: float
    arrangements: dict[str, dict[str, Arrangement]] = field(default_factory=dict)

    def at(self, sync_ms: float, name: str) -> Arrangement:
        """Return where the rounds of one arrangement on one disk are kept."""
        disk = f"+{sync_ms:g} ms" if sync_ms else "as it is"
        return self.arrangements.setdefault(disk, {}).setdefault(name, Arrangement())


def p99(latencies: list[float]) -> float:
    """Return the 99th percentile."""
    return statistics.quantiles(latencies, n=100)[98]


def page(found: Findings, now: datetime) -> str:
    """Return the Markdown page."""
    about = (
        f"`python -m loadtests.postbacks`; {machine()}. Edge under {found.server}, one process, {found.clicks_per_s:g}"
        f" clicks a second; medians of {found.rounds} rounds of {found.seconds:g} s quiet and {found.seconds:g} s of"
        " burst, in turn. `every sync +5 ms` is the same disk with each fdatasync made longer."
    )
    heads = [
        *("postbacks in", "every sync", "redirects' p99, quiet", "in the burst"),
        *(f"ratio (at most {RATIO_MAX:g})", "postbacks' p50", f"p99 (at most {P99_MS_MAX:g} ms)"),
    ]
    title = f"# Redirects beside {found.postbacks_per_s:g} postbacks a second, {now:%Y-%m-%d}"
    lines = [title, "", about, "", _row(heads), _row(["---"] * len(heads))]
    for disk, arrangements in found.arrangements.items():
        for name, seen in arrangements.items():
            figures = (seen.quiet_p99, seen.burst_p99, seen.postback_p50, seen.postback_p99)
            quiet, burst, middle, worst = (statistics.median(values) for values in figures)
            cells = (f"{quiet:.2f} ms", f"{burst:.2f} ms", f"{seen.ratio:.2f}", f"{middle:.2f} ms", f"{worst:.2f} ms")
            lines.append(_row([name, disk, *cells]))
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def save(found: Findings, directory: Path) -> Path:
    """Write both files and return the page's path."""
    now = datetime.now(UTC)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"postbacks-{now:%Y-%m-%d-%H%M}.md"
    content: dict[str, Any] = {"at": f"{now:%Y-%m-%dT%H:%M:%SZ}", "machine": machine(), **asdict(found)}
    path.with_suffix(".json").write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
    path.write_text(page(found, now))
    return path
