"""What a run found: a table on the terminal, and a dated JSON file and Markdown page under loadtests/results/."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from loadtests.bench.report import machine


class Run(NamedTuple):
    """One measurement: what went wrong and how often, the limit, the clicks that were taken and those refused, in how
    many seconds the last one was taken, and the commands that Redis ran meanwhile.
    """

    trouble: str
    limit: int
    taken: int
    refused: int
    seconds: float
    times: int
    commands: int

    @property
    def over(self) -> int:
        """By how many clicks the limit was exceeded."""
        return max(0, self.taken - self.limit)

    @property
    def unused(self) -> int:
        """How many clicks of the limit were not taken."""
        return max(0, self.limit - self.taken)


@dataclass
class Findings:
    """All runs, with what they have in common."""

    hosts: int
    processes: int
    rate: float
    limit: int
    http: bool
    runs: list[Run] = field(default_factory=list)


def page(found: Findings, now: datetime) -> str:
    """Return the Markdown page."""
    about = (
        f"`python -m loadtests.caps`; {machine()}. {found.hosts} hosts with an agent and {found.processes} processes"
        f" each, one Valkey, {found.rate:g} clicks a second for each process, one cap of {found.limit:,} clicks a run."
        " A click counts when "
        + (
            "the visitor was answered."
            if found.http
            else "its process has taken it, even if that is killed right after."
        )
    )
    heads = ["what goes wrong", "runs", "times a run", "clicks sent", "most over the limit", "most left unused"]
    heads += ["until the last click", "Redis commands a click"]
    lines = [f"# Caps under load, {now:%Y-%m-%d}", "", about, "", _row(heads), _row(["---"] * len(heads))]
    for trouble in dict.fromkeys(run.trouble for run in found.runs):
        runs = [run for run in found.runs if run.trouble == trouble]
        sent = sum(run.taken + run.refused for run in runs)
        over, unused = max(run.over for run in runs), max(run.unused for run in runs)
        seconds = statistics.median(run.seconds for run in runs)
        commands = sum(run.commands for run in runs) / sent
        counts = [str(len(runs)), str(max(run.times for run in runs)), f"{sent:,}", str(over), str(unused)]
        lines.append(_row([trouble, *counts, f"{seconds:.1f} s", f"{commands:.3f}"]))
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def save(found: Findings, directory: Path) -> Path:
    """Write both files and return the page's path."""
    now = datetime.now(UTC)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"caps-{'http-' if found.http else ''}{now:%Y-%m-%d-%H%M}.md"
    content: dict[str, Any] = {"at": f"{now:%Y-%m-%dT%H:%M:%SZ}", "machine": machine(), **asdict(found)}
    content["runs"] = [run._asdict() for run in found.runs]
    path.with_suffix(".json").write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
    path.write_text(page(found, now))
    return path
