"""A short run of the caps' load test: two hosts with real agents, and a limit that nobody exceeds."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.caps.__main__ import measure
from loadtests.caps.hosts import Host
from loadtests.caps.scene import running
from tracking.caps import Cap, CapCount, CapPer

LIMIT = 400


@pytest.mark.timeout(300)
def test_killed_processes_and_a_flushed_redis_exceed_no_cap_and_waste_none(tmp_path: Path) -> None:
    with running(tmp_path, hosts=2, processes=2, rate=100.0, kind=Host) as scene:
        for number, trouble in enumerate(("a process is killed", "Redis is flushed"), 1):
            run = measure(scene, Cap(number, CapCount.CLICKS, CapPer.TOTAL, LIMIT, "UTC"), trouble)
            assert run.times > 0
            assert (run.over, run.unused) == (0, 0)
