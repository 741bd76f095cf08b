"""How tests are dealt out to the worker processes of pytest-xdist: a module to one process, the longest modules first.

Each worker has servers and a stack of its own. tests/durations.txt says how long each module takes, so that no long one
begins when the other processes are about to end; `bin/test --record-durations` writes it.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from config.settings import embedded_settings

TESTS = Path(__file__).resolve().parents[1]
DURATIONS = TESTS / "durations.txt"
_HEADER = (
    "# Seconds that a test module takes. Written by bin/test --record-durations; modules that are quick are left out.\n"
)
_SECONDS_MIN = 1.0


def recorded_durations() -> dict[str, float]:
    """Return the seconds of each module that takes long; a module is named by its path from the root."""
    lines = [line.split() for line in DURATIONS.read_text().splitlines() if not line.startswith("#")]
    return {module: float(seconds) for seconds, module in lines}


def longest_first(items: list[pytest.Item]) -> None:
    """Put the tests in the order in which they begin; those of a module stay together, in their own order."""
    seconds = recorded_durations()
    items.sort(key=lambda item: -seconds.get(_module(item.nodeid), 0.0))


def is_worker(config: pytest.Config) -> bool:
    """Whether this process runs tests for another one that collects the results."""
    return hasattr(config, "workerinput")


def keep_to_one_process(config: pytest.Config) -> None:
    """Start no worker processes where several would not do: for a debugger, and on a Redis that tests empty."""
    if not config.option.numprocesses:
        return
    if config.option.usepdb:
        config.option.numprocesses = 0
    elif embedded_settings().redis_url:
        config.option.numprocesses = 0
        config.stash[_NOTICE] = "one process, since tests empty the database of REDIS_URL, which all would share"


def notice(config: pytest.Config) -> str | None:
    """Return why this run keeps to one process, if nobody asked for that."""
    return config.stash.get(_NOTICE, None)


class DurationRecorder:
    """Adds up what the tests of each module take with their fixtures, and writes it down when they have ended."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count one phase of a test."""
        self._seconds[_module(report.nodeid)] += report.duration

    def pytest_sessionfinish(self) -> None:
        """Write the file; what is known of modules that did not run now is kept."""
        seconds = recorded_durations() | self._seconds
        lines = [
            f"{taken:.0f} {module}\n"
            for module, taken in sorted(seconds.items(), key=lambda entry: -entry[1])
            if taken >= _SECONDS_MIN and (TESTS.parent / module).exists()
        ]
        DURATIONS.write_text(_HEADER + "".join(lines))


def _module(nodeid: str) -> str:
    return nodeid.partition("::")[0]


_NOTICE = pytest.StashKey[str]()
