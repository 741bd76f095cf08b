"""The short run of `make faults`: at least 20 faults in half a minute, under load, and every answered click stored."""

from __future__ import annotations

import pytest
from rich.console import Console

from loadtests.faults.__main__ import SHORT_FAULTS, SHORT_RATE, SHORT_SECONDS, SHORT_THREADS
from loadtests.faults.run import Wanted, run

# Any seed must do; a fixed one makes a failure replayable as `bin/faults --short --seed 20`.
SEED = 20


@pytest.mark.timeout(600)
def test_nothing_is_lost_duplicated_invented_or_altered_under_twenty_faults() -> None:
    wanted = Wanted(SEED, SHORT_SECONDS, SHORT_RATE, SHORT_THREADS, SHORT_FAULTS, "auto")
    report = run(wanted, Console(quiet=True))
    assert report.troubles == []
    assert report.faults >= 20
    assert report.kills >= 10
    assert report.verdict.obligations > 0
    assert report.verdict.ok == report.verdict.obligations
