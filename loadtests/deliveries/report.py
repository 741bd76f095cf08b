"""The results as a table for people and as JSON for machines, with date and machine."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import NamedTuple

import orjson


class Case(NamedTuple):
    """One case: deliveries to healthy partners and their delays in seconds; how many of the dead one's are pending."""

    deliveries: int
    p50_s: float
    p99_s: float
    max_s: float
    dead_pending: int


def case(delays_s: list[float], dead_pending: int) -> Case:
    """Return the figures of sorted delays."""
    cuts = quantiles(delays_s, n=1000)
    return Case(len(delays_s), cuts[499], cuts[989], delays_s[-1], dead_pending)


def table(results: dict[str, Case]) -> str:
    """Return a Markdown table with a column for each case."""
    rows = [
        ("dead partner", [*results]),
        ("deliveries to healthy partners", [f"{case.deliveries:,}" for case in results.values()]),
        ("delay, median (ms)", [f"{1000 * case.p50_s:.0f}" for case in results.values()]),
        ("delay, 99th percentile (ms)", [f"{1000 * case.p99_s:.0f}" for case in results.values()]),
        ("delay, longest (ms)", [f"{1000 * case.max_s:.0f}" for case in results.values()]),
        ("pending for the dead partner at the end", [f"{case.dead_pending}" for case in results.values()]),
    ]
    if "none" in results:
        alone = results["none"].p99_s
        rows.append(("99th percentile, ratio to none", [f"{case.p99_s / alone:.2f}" for case in results.values()]))
    head, *others = [f"| {label} | {' | '.join(cells)} |" for label, cells in rows]
    return "\n".join([head, f"|---|{'---:|' * len(results)}", *others]) + "\n"


def save(directory: Path, results: dict[str, Case], rate: float, partners: int, latency_ms: float) -> Path:
    """Write deliveries-DATE.json and .md, and return the path of the latter."""
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    machine = f"{_processor()}, 2 cores for all processes and the load; Python {platform.python_version()}"
    setup = f"{rate:g} deliveries a second over {partners} healthy partners that answer in {latency_ms:g} ms"
    cases = {name: case._asdict() for name, case in results.items()}
    document = {"date": today, "machine": machine, "setup": setup, "cases": cases}
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"deliveries-{today}.md"
    path.with_suffix(".json").write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
    path.write_text(
        f"# Deliveries beside a dead partner, {today}\n\n{machine}; `bin/bench-deliveries`; {setup}, and one that is"
        f" dead; the cases take turns.\n\n"
        f"{table(results)}"
    )
    return path


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return f"{model or platform.machine()} ({os.cpu_count()} cores present)"
