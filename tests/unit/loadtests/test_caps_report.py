"""The report of the caps' load test tells what was exceeded and what was left."""

from __future__ import annotations

from datetime import UTC, datetime

from loadtests.caps.report import Findings, Run, page

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def test_the_worst_run_of_each_trouble_counts() -> None:
    found = Findings(2, 3, 500.0, 100, http=False)
    found.runs = [
        Run("nothing", 100, 100, 50, 1.0, 0, 3),
        Run("nothing", 100, 97, 50, 3.0, 0, 3),
        Run("Redis is flushed", 100, 104, 96, 2.0, 1, 40),
    ]
    rows = [line.split(" | ") for line in page(found, NOW).splitlines() if line.startswith("| ")][2:]
    assert rows[0] == ["| nothing", "2", "0", "297", "0", "3", "2.0 s", "0.020 |"]
    assert rows[1] == ["| Redis is flushed", "1", "1", "200", "4", "0", "2.0 s", "0.200 |"]


def test_the_report_says_when_a_click_counts() -> None:
    assert "its process has taken it" in page(Findings(2, 3, 500.0, 100, http=False), NOW)
    assert "the visitor was answered" in page(Findings(2, 3, 500.0, 100, http=True), NOW)
