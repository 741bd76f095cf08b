"""The prototype's findings as a table, with a line through both sizes drawn on to a billion rows."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

BILLION = 1_000_000_000
Findings = dict[str, Any]


def extrapolated(found: Findings, name: str) -> float:
    """Return the seconds that a question would take of a billion rows, if it goes on as from half to whole."""
    half, whole = found["half_s"][name], found["whole_s"][name]
    slope = max(whole - half, 0.0) / (found["rows"] - found["half_rows"])
    return float(whole + slope * (BILLION - found["rows"]))


def table(found: Findings) -> str:
    """Return the findings as Markdown."""
    half, whole = f"{found['half_rows'] / 1e6:.0f} million", f"{found['rows'] / 1e6:.0f} million"
    lines = [f"| seconds of a question over | {half} | {whole} | a billion, extrapolated |", "|---|---:|---:|---:|"]
    lines += [
        f"| {name} | {found['half_s'][name]:.2f} | {seconds:.2f} | {extrapolated(found, name):.1f} |"
        for name, seconds in found["whole_s"].items()
    ]
    lines += ["", "| | a row | a billion rows |", "|---|---:|---:|"]
    sizes = {
        "PostgreSQL, with its indexes": found["postgres_bytes_a_row"],
        "Parquet, zstd": found["bytes_a_row"],
        "Parquet, conversions (of 1 % of the clicks)": found["conversion_bytes_a_row"] / 100,
    }
    lines += [f"| {name} | {size:,.1f} bytes | {size * BILLION / 1e9:,.0f} GB |" for name, size in sizes.items()]
    times = {**found["load_us_a_row"], "rewrite a day to change some classes": found["rewrite_us_a_row"]}
    lines += [f"| {name} | {us:.2f} µs | {us * BILLION / 1e6 / 3600:,.1f} hours |" for name, us in times.items()]
    return "\n".join(lines) + "\n"


def save(directory: Path, found: Findings) -> Path:
    """Write report-engine-DATE.json and .md, and return the path of the latter."""
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    path = directory / f"report-engine-{today}.md"
    document = {"date": today, "machine": machine, **found}
    path.with_suffix(".json").write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
    head = f"# Reports from exported partitions, {today}\n\n{found['engine']}; {machine}, shared with other work;"
    path.write_text(f"{head} `python -m loadtests.reports.engine_prototype --save {directory}`.\n\n{table(found)}")
    return path
