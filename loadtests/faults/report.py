"""What a run found, as a table on the terminal and as dated files for loadtests/results/."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from loadtests.faults.evidence import Postbacks
from loadtests.faults.menu import FILL
from loadtests.faults.oracle import Verdict

# A connection to an edge process that is killed or stopped may break this long before and after: what was sent waits.
_BEFORE_S, _AFTER_S = 0.5, 20.0


@dataclass(frozen=True)
class Report:
    """Everything that is known of a run."""

    seed: int
    began_at: datetime
    took_s: float
    load_s: float
    rate: float
    threads: int
    machine: dict[str, str]
    counts: Counter[str]
    kills: int
    given_up: list[str]
    verdict: Verdict
    postbacks: Postbacks
    ledger: dict[str, Any]
    ledger_troubles: list[str]
    answered: Counter[int]
    error_answers: Counter[str]
    broken: Counter[str]
    unexplained: Counter[str]
    log_lines: int

    @property
    def faults(self) -> int:
        """How many faults were carried out."""
        return self.counts.total()

    @property
    def troubles(self) -> list[str]:
        """Everything that must not be."""
        verdict = self.verdict
        found = [
            f"{count} {name}: {'; '.join(verdict.examples.get(name, []))}"
            for name in ("lost", "duplicated", "unexpected", "altered")
            if (count := getattr(verdict, name))
        ]
        found += self.ledger_troubles
        if self.error_answers:
            found.append(f"visitors saw error answers: {dict(self.error_answers)}")
        if self.unexplained:
            found.append(f"connections broke that no fault at the edge explains: {dict(self.unexplained)}")
        if verdict.not_logged and not self.counts[FILL]:
            found.append(f"{verdict.not_logged} clicks were not logged though the spool was never filled")
        if self.postbacks.lost or self.postbacks.conversions_wrong:
            found.append(f"acknowledged postbacks went wrong: {self.postbacks}")
        return found


def explained(at: float, windows: Sequence[tuple[float, float]]) -> bool:
    """Whether a broken connection at a moment falls to a fault on the process at its other end."""
    return any(began - _BEFORE_S <= at <= ended + _AFTER_S for began, ended in windows)


def show(report: Report, console: Console) -> None:
    """Print the tables."""
    for title, rows in _tables(report):
        table = Table("", "", title=title, show_header=False, title_justify="left")
        table.columns[1].justify = "right"
        for name, value in rows:
            table.add_row(name, value)
        console.print(table)


def save(report: Report, directory: Path) -> Path:
    """Write the result as JSON and Markdown and return the latter's path."""
    directory.mkdir(exist_ok=True)
    name = f"faults-{report.began_at:%Y-%m-%d-%H%M}"
    verdict = report.verdict
    content = {
        "command": f"bin/faults --seed {report.seed}",
        "began_at": report.began_at,
        "took_s": round(report.took_s, 1),
        "load_s": round(report.load_s, 1),
        "seed": report.seed,
        "rate": report.rate,
        "threads": report.threads,
        "machine": report.machine,
        "faults": dict(report.counts.most_common()),
        "kills": report.kills,
        "given_up": report.given_up,
        "verdict": {key: value for key, value in vars(verdict).items() if key != "examples"},
        "postbacks": report.postbacks._asdict(),
        "ledger": report.ledger,
        "answers_by_status": {str(status): count for status, count in report.answered.items()},
        "error_answers": dict(report.error_answers),
        "broken_connections": dict(report.broken),
        "broken_unexplained": dict(report.unexplained),
        "log_lines": report.log_lines,
        "troubles": report.troubles,
    }
    (directory / f"{name}.json").write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
    page = directory / f"{name}.md"
    page.write_text(_page(report))
    return page


def _page(report: Report) -> str:
    result = "**Failed**: " + "; ".join(report.troubles) if report.troubles else "Nothing lost."
    lines = [f"# Faults under load, {report.began_at:%Y-%m-%d %H:%M} UTC", "", result, ""]
    lines += [f"Again: `bin/faults --seed {report.seed}`", ""]
    for title, rows in _tables(report):
        lines += [f"## {title}", "", "| | |", "|---|---:|", *(f"| {name} | {value} |" for name, value in rows), ""]
    return "\n".join(lines)


def _tables(report: Report) -> list[tuple[str, list[tuple[str, str]]]]:
    verdict, ledger = report.verdict, report.ledger
    clicks = [
        ("attempts claimed", verdict.attempts),
        ("answered with a click id (obligations)", verdict.obligations),
        ("ok", verdict.ok),
        ("lost", verdict.lost),
        ("duplicated", verdict.duplicated),
        ("unexpected", verdict.unexpected),
        ("altered", verdict.altered),
        ("redirected, not logged, declared lost", verdict.not_logged),
        ("without an answer", verdict.unanswered),
        ("of these stored (either is right)", verdict.unanswered_stored),
        ("error answers", report.error_answers.total()),
        ("connections broken while edge or intake was hit", report.broken.total() - report.unexplained.total()),
        ("connections broken otherwise", report.unexplained.total()),
        ("postbacks acknowledged", report.postbacks.acknowledged),
        ("of these lost", report.postbacks.lost),
        ("of these without exactly one conversion", report.postbacks.conversions_wrong),
    ]
    figures = ("issued", "stored", "in_flight", "declared_lost", "difference")
    return [
        ("Clicks", [(name, f"{count:,}") for name, count in clicks]),
        (
            "Faults",
            [(name, f"{count:,}") for name, count in sorted(report.counts.items())] + [("kills", f"{report.kills}")],
        ),
        (
            "Ledger, clicks and postbacks",
            [(figure, f"{ledger[figure]:,} and {ledger['postbacks'][figure]:,}") for figure in figures],
        ),
        (
            "Run",
            [
                ("seed", str(report.seed)),
                ("load", f"{report.rate:g} requests/s wanted for {report.load_s:.0f} s, {report.threads} threads"),
                ("took", f"{report.took_s:.0f} s"),
                *report.machine.items(),
                ("lines printed by all processes", f"{report.log_lines:,}"),
            ],
        ),
    ]
