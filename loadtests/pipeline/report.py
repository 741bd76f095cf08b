"""The results as a table for people and as JSON for machines, with date and machine."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

import orjson

from loadtests.pipeline.figures import Figures

_ROWS = (
    ("clicks", "clicks", "{:,.0f}"),
    ("seconds", "seconds of load, or to drain", "{:,.1f}"),
    ("offered_per_s", "offered a second", "{:,.0f}"),
    ("stored_per_s", "stored a second", "{:,.0f}"),
    ("middle_per_s", "stored a second, middle 80 %", "{:,.0f}"),
    ("lag_p50_s", "storage lag, median (s)", "{:.2f}"),
    ("lag_p99_s", "storage lag, 99th percentile (s)", "{:.2f}"),
    ("lag_max_s", "storage lag, longest (s)", "{:.2f}"),
    ("redis_commands_per_click", "Redis commands a click", "{:.4f}"),
    ("heap_bytes_per_click", "bytes a click, heap", "{:,.0f}"),
    ("index_bytes_per_click", "bytes a click, indexes", "{:,.0f}"),
    ("toast_bytes_per_click", "bytes a click, toast", "{:,.0f}"),
    ("wal_bytes_per_click", "bytes a click, write-ahead log", "{:,.0f}"),
    ("record_bytes", "bytes a click, spool record", "{:,.0f}"),
)


def table(results: dict[str, Figures]) -> str:
    """Return a Markdown table with a column for each measurement, then the CPU by program."""
    lines = [f"| | {' | '.join(results)} |", f"|---|{'---:|' * len(results)}"]
    for key, label, form in _ROWS:
        cells = [form.format(found[key]) if key in found else "" for found in results.values()]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    for name in ("busy", "idle", "disk", "stolen"):
        cells = [f"{100 * found['cores'][name]:.0f} %" if "cores" in found else "" for found in results.values()]
        lines.append(f"| cores of the machine, {name} | {' | '.join(cells)} |")
    programs = dict.fromkeys(name for found in results.values() for name in found["cpu_us_per_click"])
    for program in programs:
        cells = [f"{found['cpu_us_per_click'].get(program, 0):.1f}" for found in results.values()]
        lines.append(f"| CPU a click, {program} (us) | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def save(directory: Path, results: dict[str, Figures]) -> Path:
    """Write pipeline-DATE.json and .md, and return the path of the latter."""
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    machine = f"{_processor()}, 2 cores for all processes and the load; Python {platform.python_version()}"
    document = {"date": today, "machine": machine, "measurements": results}
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"pipeline-{today}.md"
    path.with_suffix(".json").write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
    path.write_text(f"# Pipeline, {today}\n\n{machine}; `make bench-pipeline`{_setup(results)}.\n\n{table(results)}")
    return path


def _setup(results: dict[str, Figures]) -> str:
    """Return what was measured: how many click workers, and the settings that were not the defaults."""
    workers = " and ".join(sorted({str(found["click_workers"]) for found in results.values()}))
    changed = {f"{name}={value}" for found in results.values() for name, value in found["settings"].items()}
    return f"; click workers: {workers}; settings: {', '.join(sorted(changed)) or 'the defaults'}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return f"{model or platform.machine()} ({os.cpu_count()} cores present)"
