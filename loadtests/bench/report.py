"""What a run found: a table on the terminal, a dated file under loadtests/results/, and a plot where matplotlib is."""

from __future__ import annotations

import platform
import statistics
import sysconfig
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

LARGE, SMALL = 1_000_000, 10
QUIET, CHURN = "quiet", "churn"


@dataclass
class Findings:
    """One run. `rates` are answers a second by server and situation, one a round."""

    rounds: int
    seconds: int
    rates: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    start_s: dict[str, list[float]] = field(default_factory=dict)
    resident_mb: dict[str, float] = field(default_factory=dict)
    anonymous_mb: dict[str, float] = field(default_factory=dict)
    p99_ms: dict[str, float] = field(default_factory=dict)
    paced_per_s: dict[str, float] = field(default_factory=dict)
    changes_per_s: list[float] = field(default_factory=list)
    build_s: float = 0.0

    def add(self, server: str, situation: str, rate: float) -> None:
        """Keep one round's rate."""
        self.rates.setdefault(server, {}).setdefault(situation, []).append(rate)

    def median(self, server: str, situation: str) -> float | None:
        """Return the median rate, or None where that was not measured."""
        values = self.rates.get(server, {}).get(situation)
        return statistics.median(values) if values else None


def situation(links: int, state: str) -> str:
    """Return the name of what is measured."""
    return f"{links:,} links, {state}"


def machine() -> str:
    """Return what the figures were taken on."""
    cpu = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
    optimized = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    python = f"Python {platform.python_version()}{'' if optimized else ' built without --enable-optimizations'}"
    return f"{python}, {cpu}, Linux {platform.release()}"


def show(found: Findings) -> None:
    """Print the table."""
    situations = [situation(links, state) for links in (SMALL, LARGE) for state in (QUIET, CHURN)]
    table = Table(title=f"Clicks per second, and of nginx; medians of {found.rounds} rounds; {machine()}")
    for heading in ("server", *situations, "start s", "resident MB", "p99 ms at half"):
        table.add_column(heading, justify="left" if heading == "server" else "right")
    limit = found.median("nginx", situations[0])
    for server in found.rates:
        cells = []
        for name in situations:
            rate = found.median(server, name)
            cells.append("" if rate is None else f"{rate:,.0f}" + (f" ({rate / limit:.3f})" if limit else ""))
        starts = found.start_s.get(server)
        cells.append(f"{statistics.median(starts):.2f}" if starts else "")
        cells.append(f"{found.resident_mb[server]:.0f}" if server in found.resident_mb else "")
        cells.append(f"{found.p99_ms[server]:.1f}" if server in found.p99_ms else "")
        table.add_row(server, *cells)
    Console(width=160).print(table)
    Console().print(f"mirror of {LARGE:,} links built in {found.build_s:.1f} s")


def save(found: Findings, directory: Path) -> Path:
    """Write the result file and return its path."""
    now = datetime.now(UTC)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"bench-{now:%Y-%m-%d-%H%M}.json"
    content: dict[str, Any] = {"at": f"{now:%Y-%m-%dT%H:%M:%SZ}", "machine": machine(), **asdict(found)}
    path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
    return path


def plot(found: Findings, path: Path) -> bool:
    """Draw each server's ratio to nginx; return whether there is a matplotlib to draw with."""
    limit = found.median("nginx", situation(SMALL, QUIET))
    if find_spec("matplotlib") is None or limit is None:
        return False
    import_module("matplotlib").use("Agg")
    pyplot: Any = import_module("matplotlib.pyplot")
    figure, axes = pyplot.subplots(figsize=(8, 4.5), dpi=110)
    situations = [situation(links, state) for links in (SMALL, LARGE) for state in (QUIET, CHURN)]
    servers = [server for server in found.rates if server != "nginx"]
    for offset, name in enumerate(situations):
        places = [place + (offset - 1.5) * 0.2 for place in range(len(servers))]
        axes.bar(places, [(found.median(server, name) or 0.0) / limit for server in servers], 0.2, label=name)
    axes.set_xticks(range(len(servers)), servers)
    axes.set_ylabel("answers a second, nginx `return 302` = 1")
    axes.set_title(f"The whole click path on one core, {datetime.now(UTC):%Y-%m-%d}\n{machine()}", fontsize=8)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path)
    return True
