"""Processes that take from one grant at the same moment share it without a lock between them."""

from __future__ import annotations

import multiprocessing
import signal
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from edge.caps import Caps, Grants
from tracking.caps import ALWAYS

CAP = 3
GRANTED = 20_000
PROCESSES = 4


def take_until_refused(directory: Path, slot: int) -> int:
    """Take clicks until a thousand in a row are refused."""
    caps = Caps(directory, f"0-{slot}")
    taken = refused = 0
    while refused < 1000:
        if caps.take([CAP]):
            taken, refused = taken + 1, 0
        else:
            refused += 1
    return taken


def take_until_killed(directory: Path, slot: int) -> None:
    """Take clicks for ever."""
    caps = Caps(directory, f"0-{slot}")
    while True:
        caps.take([CAP])


@pytest.fixture
def grants(tmp_path: Path) -> Grants:
    made = Grants(tmp_path)
    row = made.row(CAP)
    assert row is not None
    made.begin(row, 0, ALWAYS)
    made.grant(row, 0, GRANTED)
    return made


def test_together_they_take_exactly_the_grant(grants: Grants, tmp_path: Path) -> None:
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as pool:
        parts = [*pool.map(take_until_refused, [tmp_path] * PROCESSES, range(PROCESSES))]
    assert sum(parts) == GRANTED
    row = grants.row(CAP)
    assert row is not None
    assert grants.used(row, 0) == GRANTED


def test_one_that_is_killed_while_it_takes_leaves_no_more_than_one_click_unused(grants: Grants, tmp_path: Path) -> None:
    row = grants.row(CAP)
    assert row is not None
    context = multiprocessing.get_context("spawn")
    for _ in range(3):
        process = context.Process(target=take_until_killed, args=(tmp_path, 9))
        process.start()
        before = grants.used(row, 0)
        while grants.used(row, 0) < min(before + 500, GRANTED):
            pass
        assert process.pid is not None
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    used = grants.used(row, 0)
    taken = take_until_refused(tmp_path, 1)
    assert GRANTED - 3 <= used + taken <= GRANTED
    assert grants.used(row, 0) <= GRANTED + 1
