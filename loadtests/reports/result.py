"""The figures as a table for people and as JSON for machines, with date and machine."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

QUESTION_MS, DASHBOARD_MS, PAGE_MS = 50.0, 150.0, 50.0
Figures = dict[str, Any]


def table(figures: Figures) -> str:
    """Return everything as Markdown."""
    runs = {name: figures[name] for name in ("quiet", "loaded") if name in figures}
    heads = [f"{name} {part}" for name in runs for part in ("p50", "p95")]
    parts = [
        _timed("question of roll-ups (ms)", heads, [run["questions"] for run in runs.values()], QUESTION_MS),
        _timed("dashboard (ms)", heads, [{"all 8 questions": run["dashboard"]} for run in runs.values()], DASHBOARD_MS),
        _timed("a page of 100 (ms)", heads, [run["pages"] for run in runs.values()], PAGE_MS),
        _timed("question of single clicks (ms)", heads, [run["partitions"] for run in runs.values()], None),
        _load(figures),
        _sizes(figures["sizes"]),
        _seconds(figures["seconds"]),
    ]
    return "\n".join(part for part in parts if part)


def missed(figures: Figures) -> list[str]:
    """Return what is slower than it should be, quiet or loaded."""
    found = []
    for name in ("quiet", "loaded"):
        run = figures.get(name)
        if run is None:
            continue
        limits = [(f"{name}: {key}", each, QUESTION_MS) for key, each in run["questions"].items()]
        limits += [(f"{name}: page of {key}", each, PAGE_MS) for key, each in run["pages"].items()]
        limits.append((f"{name}: dashboard", run["dashboard"], DASHBOARD_MS))
        found += [f"{label}: {each['p95_ms']:.0f} ms" for label, each, limit in limits if each["p95_ms"] > limit]
    return found


def _timed(title: str, heads: list[str], runs: list[dict[str, Figures]], limit: float | None) -> str:
    lines = [f"| {title} | rows | {' | '.join(heads)} |", f"|---|---:|{'---:|' * len(heads)}"]
    for name, first in runs[0].items():
        cells = []
        for run in runs:
            cells.append(f"{run[name]['p50_ms']:.0f}")
            slow = limit is not None and run[name]["p95_ms"] > limit
            cells.append(f"**{run[name]['p95_ms']:.0f}**" if slow else f"{run[name]['p95_ms']:.0f}")
        lines.append(f"| {name} | {first.get('rows', '')} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _load(figures: Figures) -> str:
    if "load" not in figures:
        return ""
    load = figures["load"]
    lag = f"{load['lag_p50_s']:.1f} s (median) and {load['lag_max_s']:.1f} s (longest)"
    return (
        f"While loaded, {load['stored_per_s']:,.0f} clicks a second were stored for {load['seconds']:.0f} s"
        f" ({load['rate']:,} offered). Storage lagged by {lag}."
        f" The oldest batch that was in no roll-up yet was {load['unfolded_s']:.0f} s old at the end.\n"
    )


def _sizes(sizes: list[Figures]) -> str:
    lines = ["| table | rows | table (MB) | indexes (MB) |", "|---|---:|---:|---:|"]
    for each in sizes:
        megabytes = [f"{each[key] / 1e6:,.0f}" for key in ("table_bytes", "index_bytes")]
        lines.append(f"| {each['table']} | {each['rows']:,} | {' | '.join(megabytes)} |")
    totals = [sum(each[key] for each in sizes) / 1e6 for key in ("table_bytes", "index_bytes")]
    lines.append(f"| all | | {totals[0]:,.0f} | {totals[1]:,.0f} |")
    return "\n".join(lines) + "\n"


def _seconds(seconds: dict[str, float]) -> str:
    return f"Making the data set took {', '.join(f'{name} {each:.0f} s' for name, each in seconds.items())}.\n"


def save(directory: Path, figures: Figures) -> Path:
    """Write reports-DATE.json and .md, and return the path of the latter."""
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    machine = f"{_processor()}, {os.cpu_count()} cores for all processes; Python {platform.python_version()}"
    path = directory / f"reports-{today}.md"
    directory.mkdir(parents=True, exist_ok=True)
    document = {"date": today, "machine": machine, **figures}
    path.with_suffix(".json").write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2, default=str) + b"\n")
    head = f"# Reports, {today}\n\n{machine}; `make bench-reports`. {figures['note']}\n\n{figures['about']}\n\n"
    path.write_text(head + table(figures))
    return path


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
