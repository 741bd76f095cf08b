"""Postbacks of several threads share a sync, none is acknowledged before its own, and a failed one fails all it was
for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from config.settings import edge_settings
from edge.spool import Recorder, Slot, SpoolWriter
from edge.spool.backlog import Backlog
from tracking.spool import Progress
from waiting import wait_until

THREADS = 8


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    recorder = Recorder(edge_settings({"WAYPOST_HOME": str(tmp_path), "SPOOL_SEGMENT_BYTES": "4096"}))
    yield recorder
    recorder.close()


class Disk:
    """Stands before the postback spool's sync: counts, waits for `open`, and fails while told to."""

    def __init__(self, sync: Callable[[], None]) -> None:
        self._sync = sync
        self.open = Event()
        self.begun = 0
        self.broken = False

    def sync(self) -> None:
        self.begun += 1
        assert self.open.wait(20)
        if self.broken:
            raise OSError("no such luck")
        self._sync()


@pytest.fixture
def disk(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk(recorder._postbacks.sync)
    monkeypatch.setattr(SpoolWriter, "sync", disk.sync)
    return disk


def test_what_waits_for_the_disk_becomes_safe_by_one_sync(recorder: Recorder, disk: Disk) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        answers = [pool.submit(recorder.log_postback, b"%d" % number) for number in range(THREADS)]
        wait_until(lambda: recorder._appended == THREADS, what="all to be appended")
        assert not any(answer.done() for answer in answers)
        disk.open.set()
        assert all(answer.result(20) for answer in answers)
    # The first one's sync may have begun before the others appended.
    assert disk.begun <= 2


def test_one_that_is_appended_during_a_sync_waits_for_another(recorder: Recorder, disk: Disk) -> None:
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(recorder.log_postback, b"first")
        wait_until(lambda: disk.begun == 1, what="the first sync")
        second = pool.submit(recorder.log_postback, b"second")
        wait_until(lambda: recorder._appended == 2, what="the second to be appended")
        disk.open.set()
        assert first.result(20)
        assert second.result(20)
    assert disk.begun == 2


def test_a_sync_that_fails_acknowledges_none_of_those_it_was_for(recorder: Recorder, disk: Disk) -> None:
    disk.broken = True
    with ThreadPoolExecutor(THREADS) as pool:
        answers = [pool.submit(recorder.log_postback, b"%d" % number) for number in range(THREADS)]
        wait_until(lambda: recorder._appended == THREADS, what="all to be appended")
        disk.open.set()
        assert not any(answer.result(20) for answer in answers)
    disk.broken = False
    assert recorder.log_postback(b"later")


def test_a_segment_that_is_closed_during_a_sync_is_synced_too(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[int] = set()
    sync = os.fdatasync

    def noting(descriptor: int) -> None:
        synced.add(os.fstat(descriptor).st_ino)
        sync(descriptor)

    monkeypatch.setattr(os, "fdatasync", noting)
    with ThreadPoolExecutor(THREADS) as pool:
        assert all(pool.map(recorder.log_postback, [bytes(600)] * 200))
    directory = recorder._postbacks.directory
    segments = sorted(directory.glob("*.seg"))
    assert len(segments) > 10
    filled = {path.stat().st_ino for path in segments[:-1]}
    assert filled <= synced


def test_after_the_clock_was_set_back_clicks_are_of_the_present_again_and_no_id_comes_twice(tmp_path: Path) -> None:
    year_ns = 365 * 86_400 * 10**9
    begin_ns = 1_790_000_000 * 10**9
    clock = [begin_ns]
    recorder = Recorder(edge_settings({"WAYPOST_HOME": str(tmp_path)}), lambda: clock[0])
    made: list[tuple[str, int]] = []

    def click() -> int:
        assert recorder.log_click(lambda click_id, at_ms: made.append((click_id, at_ms)) or b"[1]")  # type: ignore[func-returns-value]
        return made[-1][1] * 1_000_000 - begin_ns

    assert click() == 0
    clock[0] += 2 * year_ns
    assert click() == 2 * year_ns
    clock[0] = begin_ns - 4 * 10**9
    recorder._follow_clock()
    assert click() == -4 * 10**9
    # Less than five seconds are waited out.
    clock[0] -= 4 * 10**9
    recorder._follow_clock()
    assert click() == -4 * 10**9
    clock[0] = begin_ns
    assert [click() for _ in range(3)] == [0, 0, 0]
    assert len({click_id for click_id, _ in made}) == len(made)
    recorder.close()


def test_two_hosts_that_share_a_node_number_by_mistake_do_not_begin_with_the_same_ids(tmp_path: Path) -> None:
    generations = {Slot(tmp_path / str(host), 7).identity.generation for host in range(8)}
    assert len(generations) > 1


def test_a_spool_that_is_full_of_its_newest_segments_takes_records_again_once_they_are_stored(tmp_path: Path) -> None:
    settings = edge_settings({"WAYPOST_HOME": str(tmp_path), "SPOOL_MAX_BYTES": "50000"})
    recorder = Recorder(settings)
    watched = (recorder._clicks, recorder._postbacks)
    for _ in range(60):
        assert recorder.log_click(lambda click_id, at_ms: b"[%b]" % (b"1" * 1000))
    recorder._check_disk(watched)
    assert not recorder.healthy()
    backlog = Backlog(recorder._clicks.directory, 1000)
    report = backlog.scan()
    backlog.confirm(Progress(report.frames))
    recorder._check_disk(watched)
    assert recorder.healthy()
    assert recorder.log_click(lambda click_id, at_ms: b"[1]")
    recorder.close()
