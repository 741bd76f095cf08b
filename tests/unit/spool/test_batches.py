"""What an agent reads from a spool and writes as jobs: every good frame once, in jobs that a worker can read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

import worker_cases as cases
from edge.spool import SpoolWriter, segments
from edge.spool.backlog import Backlog
from edge.spool.batch_jobs import BatchJob
from tracking.runtime import JobSerializer, Task
from worker.runtime import TaskJob

_PAYLOADS = st.lists(st.binary(min_size=2, max_size=40), max_size=8)


@given(_PAYLOADS, st.binary(max_size=30), st.data())
def test_the_quick_scan_finds_the_frames_that_the_careful_one_finds(
    payloads: list[bytes], tail: bytes, draw: st.DataObject
) -> None:
    data = bytearray(b"".join(map(segments.encode_frame, payloads)) + tail)
    if data:
        data[draw.draw(st.integers(0, len(data) - 1))] ^= draw.draw(st.integers(0, 255))
    found = [frame.end for frame in segments.frames(bytes(data), 0, len(data))]
    assert segments.frame_ends(bytes(data), len(data)) == found


@pytest.mark.parametrize("size", [10, 900_000])
@pytest.mark.parametrize("scan_after", [1, 3, 50])
def test_extents_follow_each_other_and_hold_no_more_than_they_may(tmp_path: Path, size: int, scan_after: int) -> None:
    directory = tmp_path / cases.SPOOL
    directory.mkdir()
    writer = SpoolWriter(directory, 5_000_000)
    backlog = Backlog(directory, 7)
    payloads = [b"[%d]" % number + b" " * size for number in range(50)]
    for number, payload in enumerate(payloads, 1):
        assert writer.append(payload)
        if number % scan_after == 0:
            backlog.scan()
    backlog.scan()
    read: list[str] = []
    while extent := backlog.take(0):
        assert extent.first == len(read)
        assert extent.count <= 7
        assert extent.end - extent.start <= 4 << 20
        read += backlog.read(extent).payloads
    writer.close()
    assert read == [payload.decode() for payload in payloads]


def test_a_job_that_is_not_compressed_is_read_as_one_that_is() -> None:
    arguments = [cases.SPOOL, 0, ["[1]"], 0]
    job = BatchJob.create(
        Task.STORE_CLICKS.value, args=tuple(arguments), id="one", connection=Redis(port=1), serializer=JobSerializer
    )
    data = job.to_dict()["data"]
    fields = {b"data": data, b"origin": b"clicks", b"status": b"queued"}
    assert JobSerializer.loads(data) == [Task.STORE_CLICKS, None, arguments, {}]
    read = TaskJob("one", connection=Redis(port=1))
    read.restore(fields)
    assert (read.func_name, read.args) == (Task.STORE_CLICKS, arguments)
