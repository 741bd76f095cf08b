"""How a run is shown: tables on the terminal, a dated file under loadtests/results/, a plot where matplotlib is."""

from __future__ import annotations

import platform
import statistics
import sysconfig
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from time import thread_time
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from loadtests.bench.findings import LARGE, NGINX, PLAIN, SITUATIONS, SMALL_QUIET, Findings
from loadtests.bench.routed import DOCUMENTS


def show(found: Findings) -> None:
    """Print the tables."""
    console = Console(width=150)
    servers = list(found.rates)
    rates = Table(title=f"Clicks a second, and as a share of nginx; medians of {found.rounds} rounds")
    rates.add_column("situation")
    for server in servers:
        rates.add_column(server, justify="right")
    for situation in SITUATIONS:
        cells = []
        for server in servers:
            rate, ratio = found.rate(server, situation), found.ratio(server, situation)
            cells.append("" if rate is None else f"{rate:,.0f}" + ("" if ratio is None else f" ({ratio:.3f})"))
        rates.add_row(situation.name, *cells)
    console.print(rates)
    looks = Table(title="With 1,000,000 links; medians. Paced: answers a second, and milliseconds since each was due")
    for heading in ("server", "start s", "resident MB (own)", "at half its rate: p50, p99 ms", "nginx at this pace"):
        looks.add_column(heading, justify="left" if heading == "server" else "right")
    for server in servers:
        resident = found.resident(server)
        looks.add_row(
            server,
            f"{statistics.median(found.start_s[server]):.2f}" if server in found.start_s else "",
            f"{resident[0]:.0f} ({resident[1]:.0f})" if resident else "",
            _paced(found, server, "half of its rate"),
            _paced(found, NGINX, f"pace of {server}"),
        )
    console.print(looks)
    _show_routed(console, found)
    changes = statistics.median(found.changes_per_s) if found.changes_per_s else 0.0
    console.print(
        f"mirror of {LARGE:,} links built in {found.build_s:.1f} s, {found.mirror_mb:.0f} MB; "
        f"{changes:.0f} changes a second were made\n{machine()}"
    )


def _show_routed(console: Console, found: Findings) -> None:
    table = Table(title="Links with rules: clicks a second as shares of a plain link's; medians")
    table.add_column("link")
    for server in found.routed:
        table.add_column(server, justify="right")
    for slug in (PLAIN, *DOCUMENTS):
        ratios = [found.routed_ratio(server, slug) for server in found.routed]
        table.add_row(slug, *("" if ratio is None else f"{ratio:.2f}" for ratio in ratios))
    console.print(table)


def save(found: Findings, directory: Path) -> Path:
    """Write the result file, the medians before the rounds they are of, and return its path."""
    now = datetime.now(UTC)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"bench-{now:%Y-%m-%d-%H%M}.json"
    medians = {
        server: {
            situation.name: {"per_s": found.rate(server, situation), "of_nginx": found.ratio(server, situation)}
            for situation in SITUATIONS
            if found.rate(server, situation) is not None
        }
        for server in found.rates
    }
    content: dict[str, Any] = {
        "at": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "machine": machine(),
        "medians": medians,
        **asdict(found),
    }
    path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
    return path


def plot(found: Findings, path: Path) -> bool:
    """Draw each server's share of nginx; return whether there was a matplotlib to draw with and an nginx."""
    if find_spec("matplotlib") is None or found.rate(NGINX, SMALL_QUIET) is None:
        return False
    import_module("matplotlib").use("Agg")
    pyplot: Any = import_module("matplotlib.pyplot")
    servers = [server for server in found.rates if server != NGINX]
    measured = [name for name in SITUATIONS if any(found.rate(server, name) is not None for server in servers)]
    figure, axes = pyplot.subplots(figsize=(9, 1.5 + 0.27 * len(measured) * len(servers)), dpi=130)
    height = 0.8 / len(measured)
    colours = pyplot.get_cmap("Paired").colors
    for number, situation in enumerate(measured):
        for place, server in enumerate(servers):
            ratio, rate = found.ratio(server, situation), found.rate(server, situation)
            if ratio is None or rate is None:
                continue
            y = place + (number - (len(measured) - 1) / 2) * height
            label = situation.name if server == _first_with(found, servers, situation.name) else None
            axes.barh(y, ratio, height * 0.92, color=colours[number], label=label)
            axes.text(ratio, y, f" {rate:,.0f}/s = {ratio:.2f}", va="center", fontsize=7)
    axes.set_yticks(range(len(servers)), servers)
    axes.set_xlim(0, 1.25 * max(found.ratio(server, name) or 0.0 for server in servers for name in measured))
    limit = found.rate(NGINX, SMALL_QUIET)
    axes.set_xlabel(f"share of nginx `return 302` with a buffered access log ({limit:,.0f}/s on the same core)")
    axes.set_ylim(len(servers) - 0.5, -0.5)
    axes.set_title(f"Waypost's whole click path on one core, {datetime.now(UTC):%Y-%m-%d}\n", fontsize=11, loc="left")
    axes.text(0, 1.01, machine(), fontsize=6, transform=axes.transAxes)
    axes.legend(fontsize=7, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.12), frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, bbox_inches="tight")
    return True


def _paced(found: Findings, server: str, pace: str) -> str:
    latency = found.latency(server, pace)
    return "" if latency is None else f"{latency[0]:,.0f}/s: {latency[1]:.2f}, {latency[2]:.2f}"


def _first_with(found: Findings, servers: list[str], situation: str) -> str | None:
    """Return the first server that was measured in this situation, whose bar carries the legend's entry."""
    return next((server for server in servers if situation in found.rates[server]), None)


def machine() -> str:
    """Return what the figures were taken on."""
    cpu = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
    return f"{_python()}; {cpu}, Linux {platform.release()}"


def _python() -> str:
    """Return which Python ran, and how fast it is by itself: builds of one version differ by half."""
    optimized = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    build = f"{platform.python_build()[1]}, {platform.python_compiler()}"
    flag = f"configured {'with' if optimized else 'without'} --enable-optimizations"
    return f"Python {platform.python_version()} ({build}, {flag}, a plain loop takes {_loop_us():.1f} us)"


def _loop_us() -> float:
    """Return microseconds of a fixed small loop of plain Python, in the fastest of many runs."""
    words, best = {"a": 1, "b": 2, "c": 3}, float("inf")
    for _ in range(300):
        began = thread_time()
        for number in range(100):
            words["abc"[number % 3]] = len(f"{number}-{number}".split("-"))
        best = min(best, thread_time() - began)
    return best * 1e6
