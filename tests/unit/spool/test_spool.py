"""The spool on disk: what is appended comes back, whatever is cut off, flipped or killed."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from edge.spool import SpoolWriter, read_spool_counts, segments
from edge.spool.backlog import Backlog
from edge.spool.counters import CounterFile
from edge.spool.spool_counts import COUNTERS_NAME
from tracking.spool import Progress

SEGMENT_BYTES = 1 << 20


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "1-0-ab-clicks"
    path.mkdir()
    return path


def payload(number: int) -> bytes:
    return b'[1,"record %d"]' % number


def stored(directory: Path, records: int = 1000) -> dict[int, str]:
    """Everything a fresh reader finds, by number."""
    backlog = Backlog(directory, records)
    backlog.scan()
    found: dict[int, str] = {}
    while extent := backlog.take(0):
        batch = backlog.read(extent)
        found |= dict(enumerate(batch.payloads, batch.first))
    return found


def test_what_is_appended_is_read_back_in_order_with_its_number(directory: Path) -> None:
    writer = SpoolWriter(directory, SEGMENT_BYTES)
    for number in range(25):
        assert writer.append(payload(number))
    writer.close()
    assert stored(directory, 10) == {number: payload(number).decode() for number in range(25)}


def test_batches_hold_at_most_the_agreed_number_of_records(directory: Path) -> None:
    writer = SpoolWriter(directory, SEGMENT_BYTES)
    for number in range(25):
        writer.append(payload(number))
    backlog = Backlog(directory, 10)
    backlog.scan()
    sizes = []
    while extent := backlog.take(0):
        sizes.append((extent.first, extent.count))
    assert sizes == [(0, 10), (10, 10), (20, 5)]
    writer.close()


def test_a_partial_batch_waits_and_a_full_one_does_not(directory: Path) -> None:
    writer = SpoolWriter(directory, SEGMENT_BYTES)
    for number in range(12):
        writer.append(payload(number))
    backlog = Backlog(directory, 10)
    backlog.scan()
    first = backlog.take(3600)
    assert first is not None
    assert first.count == 10
    assert backlog.take(3600) is None
    writer.append(payload(12))
    backlog.scan()
    rest = backlog.take(0)
    assert rest is not None
    assert (rest.first, rest.count) == (10, 3)
    writer.close()


def test_numbers_go_on_over_segments_and_restarts(directory: Path) -> None:
    expected = {}
    number = 0
    for _ in range(3):
        writer = SpoolWriter(directory, 200)
        for _ in range(20):
            writer.append(payload(number))
            expected[number] = payload(number).decode()
            number += 1
        writer.close()
    assert len(segments.segment_paths(directory)) > 6
    assert stored(directory) == expected


def test_segments_are_freed_only_when_every_record_in_them_is_confirmed(directory: Path) -> None:
    writer = SpoolWriter(directory, 200)
    for number in range(30):
        writer.append(payload(number))
    writer.close()
    backlog = Backlog(directory, 1000)
    backlog.scan()
    before = segments.segment_paths(directory)
    boundary = segments.decode_header(before[1].read_bytes())
    backlog.confirm(Progress(boundary - 1))
    assert segments.segment_paths(directory) == before
    backlog.confirm(Progress(boundary))
    assert segments.segment_paths(directory) == before[1:]
    backlog.confirm(Progress(30))
    assert segments.segment_paths(directory) == before[-1:]


def test_the_disk_full_refuses_records_counts_them_and_recovers_by_itself(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = SpoolWriter(directory, SEGMENT_BYTES)
    writer.append(payload(0))
    real_write = os.write

    def short_write(descriptor: int, data: bytes) -> int:
        return real_write(descriptor, data[:5])

    def no_space(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", short_write)
    assert not writer.append(payload(1))
    monkeypatch.setattr(os, "write", no_space)
    assert not writer.append(payload(1))
    monkeypatch.setattr(os, "write", real_write)
    assert writer.append(payload(1))
    counts = read_spool_counts(directory)
    assert counts is not None
    assert (counts.issued, counts.declared_lost, counts.numbers) == (4, 2, 2)
    writer.close()
    assert stored(directory) == {0: payload(0).decode(), 1: payload(1).decode()}


def test_every_truncation_of_a_segment_keeps_the_whole_records_before_it(directory: Path) -> None:
    writer = SpoolWriter(directory, SEGMENT_BYTES)
    ends = []
    for number in range(6):
        writer.append(payload(number))
        ends.append(segments.segment_paths(directory)[0].stat().st_size)
    writer.close()
    (directory / COUNTERS_NAME).unlink()
    path = segments.segment_paths(directory)[0]
    whole = path.read_bytes()
    for size in range(segments.HEADER_BYTES, len(whole)):
        for other in segments.segment_paths(directory):
            other.unlink()
        (directory / COUNTERS_NAME).unlink(missing_ok=True)
        path.write_bytes(whole[:size])
        kept = sum(end <= size for end in ends)
        reopened = SpoolWriter(directory, SEGMENT_BYTES)
        reopened.append(payload(99))
        reopened.close()
        expected = {number: payload(number).decode() for number in range(kept)} | {kept: payload(99).decode()}
        assert stored(directory) == expected, f"cut at {size}"


def test_every_flipped_byte_costs_at_most_its_own_record(directory: Path) -> None:
    writer = SpoolWriter(directory, SEGMENT_BYTES)
    for number in range(5):
        writer.append(payload(number))
    writer.close()
    path = segments.segment_paths(directory)[0]
    whole = path.read_bytes()
    sealed = SpoolWriter(directory, SEGMENT_BYTES)
    sealed.close()
    original = {payload(number).decode() for number in range(5)}
    for offset in range(segments.HEADER_BYTES, len(whole)):
        damaged = bytearray(whole)
        damaged[offset] ^= 0x40
        path.write_bytes(bytes(damaged))
        found = stored(directory)
        assert set(found.values()) < original, f"flip at {offset}"
        assert len(found) >= 4, f"flip at {offset}"
        assert all(found[number] == payload(number).decode() for number in found), f"flip at {offset}"


def test_a_segment_bad_in_the_middle_is_set_aside_and_never_deleted(directory: Path) -> None:
    writer = SpoolWriter(directory, SEGMENT_BYTES)
    for number in range(5):
        writer.append(payload(number))
    writer.close()
    path = segments.segment_paths(directory)[0]
    damaged = bytearray(path.read_bytes())
    damaged[segments.HEADER_BYTES + 30] ^= 1
    path.write_bytes(bytes(damaged))
    SpoolWriter(directory, SEGMENT_BYTES).close()
    backlog = Backlog(directory, 1000)
    report = backlog.scan()
    assert report.frames == 5
    missing = 0
    while extent := backlog.take(0):
        missing += extent.missing
    assert missing == 1
    backlog.confirm(Progress(5))
    assert not path.exists()
    assert (directory / "quarantine" / path.name).read_bytes() == bytes(damaged)


def test_records_lost_in_a_power_cut_are_declared_missing(directory: Path) -> None:
    writer = SpoolWriter(directory, SEGMENT_BYTES)
    for number in range(5):
        writer.append(payload(number))
    writer.close()
    path = segments.segment_paths(directory)[0]
    # The counters reached the disk, the last two records did not.
    two = 2 * (segments.FRAME_BYTES + len(payload(0)))
    path.write_bytes(path.read_bytes()[:-two])
    reopened = SpoolWriter(directory, SEGMENT_BYTES)
    reopened.append(payload(5))
    reopened.close()
    backlog = Backlog(directory, 1000)
    report = backlog.scan()
    assert (report.issued, report.frames) == (6, 6)
    extents = []
    while extent := backlog.take(0):
        extents.append((extent.first, extent.count, extent.missing))
    assert extents == [(0, 3, 0), (3, 0, 2), (5, 1, 0)]


def test_a_writer_killed_between_write_and_count_is_settled_on_reopening(directory: Path) -> None:
    writer = SpoolWriter(directory, SEGMENT_BYTES)
    writer.append(payload(0))
    writer.close()
    with segments.segment_paths(directory)[0].open("ab") as file:
        file.write(segments.encode_frame(payload(1)))
    SpoolWriter(directory, SEGMENT_BYTES).close()
    report = Backlog(directory, 10).scan()
    assert (report.issued, report.declared_lost, report.frames) == (2, 0, 2)


def test_the_report_counts_what_the_writer_issued_and_what_the_disk_holds(directory: Path) -> None:
    writer = SpoolWriter(directory, SEGMENT_BYTES)
    for number in range(7):
        writer.append(payload(number))
    backlog = Backlog(directory, 1000)
    assert tuple(backlog.scan()) == (7, 0, 7)
    writer.full = True
    writer.append(payload(7))
    assert tuple(backlog.scan()) == (8, 1, 7)
    writer.close()


def test_counters_have_their_block_before_the_first_count_so_that_a_full_disk_cannot_end_the_process(
    tmp_path: Path,
) -> None:
    CounterFile(tmp_path / "counters", writable=True).close()
    assert (tmp_path / "counters").stat().st_blocks * 512 >= 4096


def test_a_record_too_large_to_be_read_back_is_refused_and_nothing_waits_behind_it(directory: Path) -> None:
    writer = SpoolWriter(directory, 4 * segments.PAYLOAD_BYTES_MAX)
    assert writer.append(payload(0))
    assert not writer.append(bytes(segments.PAYLOAD_BYTES_MAX + 1))
    assert writer.append(payload(1))
    assert writer.append(b"1" * segments.PAYLOAD_BYTES_MAX)
    # It says nothing of the disk, so whoever sends it cannot make the edge look broken.
    assert writer.is_healthy
    report = Backlog(directory, 10).scan()
    assert (report.issued, report.declared_lost, report.frames) == (4, 1, 3)
    writer.close()


def test_a_torn_record_that_cannot_be_cut_off_ends_its_segment(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = SpoolWriter(directory, SEGMENT_BYTES)
    writer.append(payload(0))
    real_write = os.write

    def no_truncate(descriptor: int, size: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "write", lambda descriptor, data: real_write(descriptor, data[:5]))
        broken.setattr(os, "ftruncate", no_truncate)
        assert not writer.append(payload(1))
    writer.reopen_after_failure()
    assert writer.append(payload(1))
    writer.close()
    assert stored(directory) == {0: payload(0).decode(), 1: payload(1).decode()}
    report = Backlog(directory, 10).scan()
    assert (report.issued, report.declared_lost, report.frames) == (3, 1, 2)


def test_a_failing_disk_is_logged_seldom_and_the_writer_is_not_healthy_meanwhile(
    directory: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    writer = SpoolWriter(directory, SEGMENT_BYTES)
    assert writer.is_healthy

    def broken(descriptor: int, data: bytes) -> int:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as failing:
        failing.setattr(os, "write", broken)
        assert not any(writer.append(payload(0)) for _ in range(1000))
        assert not writer.is_healthy
    assert caplog.text.count("Input/output error") <= 2
    monkeypatch.setattr("edge.spool.writer._FAILING_S", 0.0)
    assert writer.is_healthy
    writer.close()


def test_a_writer_without_a_segment_is_not_healthy(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as failing:
        failing.setattr("edge.spool.writer.HEADER_BYTES", -1)
        writer = SpoolWriter(directory, SEGMENT_BYTES)
    monkeypatch.setattr("edge.spool.writer._FAILING_S", 0.0)
    assert not writer.is_healthy
    assert not writer.append(payload(0))
    writer.reopen_after_failure()
    assert writer.is_healthy
    assert writer.append(payload(0))
    writer.close()


def test_a_sync_that_fails_leaves_no_segment_open(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = SpoolWriter(directory, 100)
    for number in range(40):
        writer.append(payload(number))
    before = len(list(Path("/proc/self/fd").iterdir()))
    retired = len(writer._retired)
    assert retired > 3

    def broken(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as failing:
        failing.setattr(os, "fdatasync", broken)
        for _ in range(retired + 1):
            with pytest.raises(OSError, match="Input/output"):
                writer.sync()
    assert len(list(Path("/proc/self/fd").iterdir())) == before - retired
    assert writer.append(payload(40))
    writer.close()
