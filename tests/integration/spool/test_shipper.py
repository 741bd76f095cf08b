"""The agent's upward side against a real Redis: nothing is freed before it is confirmed, nothing that got lost stays
lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from time import time

import orjson
import pytest
from redis import Redis
from rq import Queue
from rq.job import Job

from config.configuration import PROGRESS_KEY, SPOOLS_KEY
from config.settings import EdgeSettings, edge_settings
from edge.spool import Shipper, SpoolWriter, segments, settled_spools
from edge.spool import shipper as shipper_module
from edge.spool.slots import spool_for_boot
from tracking.runtime import JobSerializer, QueueName, Task
from tracking.spool import Progress, encode_progress
from waiting import wait_until

SPOOL = "5-0-abcd-clicks"


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> EdgeSettings:
    settings = edge_settings({"WAYPOST_HOME": str(tmp_path), "REDIS_URL": redis_url, "EDGE_NODE_ID": "5"})
    return replace(settings, agent_batch_records=10, agent_batch_wait_ms=1, agent_outstanding_batches=4)


@pytest.fixture
def writer(settings: EdgeSettings) -> Iterator[SpoolWriter]:
    directory = settings.spool_dir / SPOOL
    directory.mkdir(parents=True)
    writer = SpoolWriter(directory, 400)
    yield writer
    writer.close()


def payload(number: int) -> bytes:
    return b'[1,"click %d"]' % number


def fill(writer: SpoolWriter, count: int) -> None:
    for number in range(count):
        assert writer.append(payload(number))


def jobs(redis: Redis) -> list[Job]:
    queue = Queue(QueueName.CLICKS, connection=redis, serializer=JobSerializer)
    return [job for job in queue.get_jobs() if job is not None]


def sent_numbers(redis: Redis) -> list[int]:
    return sorted(job.args[1] + offset for job in jobs(redis) for offset in range(len(job.args[2])))


def confirm(redis: Redis, *ranges: tuple[int, int]) -> None:
    progress = Progress()
    for first, end in ranges:
        progress = progress.add(first, end)
    redis.hset(PROGRESS_KEY, SPOOL, encode_progress(progress))


def test_jobs_carry_the_records_under_their_numbers_and_name_the_task(
    redis: Redis, settings: EdgeSettings, writer: SpoolWriter
) -> None:
    fill(writer, 7)
    shipper = Shipper(settings, redis)
    wait_until(lambda: shipper.step() and sent_numbers(redis) == list(range(7)), what="seven records in jobs")
    job = jobs(redis)[0]
    assert job.func_name == Task.STORE_CLICKS
    spool_id, first, payloads, missing = job.args
    assert (spool_id, first, missing) == (SPOOL, 0, 0)
    assert payloads[0] == payload(0).decode()
    assert (job.result_ttl, job.timeout) == (0, 120)


def test_only_so_many_jobs_stand_in_redis_and_the_rest_waits_on_disk(
    redis: Redis, settings: EdgeSettings, writer: SpoolWriter
) -> None:
    fill(writer, 200)
    shipper = Shipper(settings, redis)
    for _ in range(5):
        shipper.step()
    assert len(jobs(redis)) == 4
    first_sent = sent_numbers(redis)
    confirm(redis, (0, first_sent[-1] + 1))
    shipper.step()
    assert len(jobs(redis)) == 8
    assert sent_numbers(redis)[: len(first_sent)] == first_sent


def test_spools_take_turns_so_that_none_waits_until_another_is_empty(
    redis: Redis, settings: EdgeSettings, writer: SpoolWriter
) -> None:
    other = settings.spool_dir / "5-1-abcd-clicks"
    other.mkdir()
    fill(writer, 200)
    with closing(SpoolWriter(other, 400)) as second:
        fill(second, 200)
    shipper = Shipper(settings, redis)
    shipper.step()
    assert Counter(job.args[0] for job in jobs(redis)) == {SPOOL: 2, other.name: 2}
    ends = [job.args[1] + len(job.args[2]) for job in jobs(redis) if job.args[0] == SPOOL]
    for end in ends:
        # Room for one more at a time, and always where the first spool's was.
        confirm(redis, (0, end))
        shipper.step()
    assert Counter(job.args[0] for job in jobs(redis)) == {SPOOL: 3, other.name: 3}


def test_postbacks_do_not_wait_behind_a_backlog_of_clicks(
    redis: Redis, settings: EdgeSettings, writer: SpoolWriter
) -> None:
    fill(writer, 200)
    shipper = Shipper(settings, redis)
    shipper.step()
    assert len(jobs(redis)) == settings.agent_outstanding_batches
    postbacks = settings.spool_dir / "5-0-abcd-postbacks"
    postbacks.mkdir()
    with closing(SpoolWriter(postbacks, 400)) as late:
        fill(late, 1)
    queue = Queue(QueueName.POSTBACKS, connection=redis, serializer=JobSerializer)
    wait_until(lambda: shipper.step() and queue.count == 1, what="the postback in a job")
    assert len(jobs(redis)) == settings.agent_outstanding_batches


def test_segments_go_only_when_confirmed_and_never_for_a_gap_before_them(
    redis: Redis, settings: EdgeSettings, writer: SpoolWriter
) -> None:
    fill(writer, 60)
    directory = settings.spool_dir / SPOOL
    before = segments.segment_paths(directory)
    shipper = Shipper(settings, redis)
    shipper.step()
    confirm(redis, (30, 60))
    shipper.step()
    assert segments.segment_paths(directory) == before
    confirm(redis, (0, 60))
    shipper.step()
    assert segments.segment_paths(directory) == before[-1:]


def test_a_flushed_redis_gets_everything_unconfirmed_again(
    redis: Redis, settings: EdgeSettings, writer: SpoolWriter
) -> None:
    fill(writer, 20)
    shipper = Shipper(settings, redis)
    wait_until(lambda: shipper.step() and sent_numbers(redis) == list(range(20)), what="all in jobs")
    redis.flushdb()

    def all_back() -> bool:
        shipper.step()
        return sent_numbers(redis) == list(range(20))

    wait_until(all_back, what="all in jobs again")


def test_a_failed_job_is_sent_again_under_a_new_id_and_removed(
    redis: Redis, settings: EdgeSettings, writer: SpoolWriter
) -> None:
    fill(writer, 3)
    shipper = Shipper(settings, redis)
    wait_until(lambda: shipper.step() and sent_numbers(redis) == [0, 1, 2], what="one job")
    (job,) = jobs(redis)
    redis.lrem("rq:queue:clicks", 0, job.id)
    redis.hset(f"rq:job:{job.id}", "status", "failed")

    def replaced() -> bool:
        shipper.step()
        return bool(jobs(redis)) and jobs(redis)[0].id != job.id

    wait_until(replaced, what="a new job")
    assert not redis.exists(f"rq:job:{job.id}")
    assert sent_numbers(redis) == [0, 1, 2]


def test_a_batch_that_fails_for_ever_is_sent_ever_more_rarely_and_said_once(
    redis: Redis,
    settings: EdgeSettings,
    writer: SpoolWriter,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = 1000.0
    monkeypatch.setattr("edge.spool.shipper.monotonic", lambda: now)
    fill(writer, 3)
    shipper = Shipper(replace(settings, agent_retry_s=30, agent_batch_wait_ms=0), redis)
    sent_at: list[float] = []
    while now < 1400:
        for job in jobs(redis):
            sent_at.append(now)
            redis.lrem("rq:queue:clicks", 0, job.id)
            redis.hset(f"rq:job:{job.id}", "status", "failed")
        shipper.step()
        now += 0.25
    pauses = [later - earlier for earlier, later in pairwise(sent_at)]
    # The first time at once, as after a kill; a look takes a second, and a failure is believed at the second look.
    assert pauses[0] <= 3
    assert pauses == sorted(pauses), pauses
    assert 29 <= pauses[-1] <= 32, pauses
    assert len(caplog.records) == 1, caplog.text
    assert "failed" in caplog.text
    confirm(redis, (0, 3))
    shipper.step()
    assert f"is stored, sent {len(sent_at)} times" in caplog.text
    assert len(caplog.records) == 2


def test_an_overdue_job_is_replaced_not_added_to(redis: Redis, settings: EdgeSettings, writer: SpoolWriter) -> None:
    fill(writer, 3)
    shipper = Shipper(replace(settings, agent_retry_s=1), redis)
    wait_until(lambda: shipper.step() and len(jobs(redis)) == 1, what="one job")
    first = jobs(redis)[0].id

    def replaced() -> bool:
        shipper.step()
        return [job.id for job in jobs(redis)] != [first]

    wait_until(replaced, what="the replacement")
    assert len(jobs(redis)) == 1


def test_a_restarted_agent_skips_what_is_confirmed(redis: Redis, settings: EdgeSettings, writer: SpoolWriter) -> None:
    fill(writer, 20)
    confirm(redis, (0, 10))
    shipper = Shipper(settings, redis)

    def sent() -> bool:
        shipper.step()
        return bool(sent_numbers(redis))

    wait_until(sent, what="jobs")
    wait_until(lambda: not shipper.step() and sent_numbers(redis)[-1] == 19, what="the last record")
    assert sent_numbers(redis)[0] >= 0
    confirm(redis, (0, 20))
    shipper.step()
    assert len(segments.segment_paths(settings.spool_dir / SPOOL)) == 1


def test_an_older_progress_in_redis_takes_nothing_back(
    redis: Redis, settings: EdgeSettings, writer: SpoolWriter
) -> None:
    fill(writer, 20)
    shipper = Shipper(settings, redis)
    shipper.step()
    confirm(redis, (0, 20))
    shipper.step()
    confirm(redis, (0, 5))
    wait_until(lambda: not shipper.step(), what="quiet")
    assert len(segments.segment_paths(settings.spool_dir / SPOOL)) == 1


def test_the_ledgers_edge_side_is_reported(redis: Redis, settings: EdgeSettings, writer: SpoolWriter) -> None:
    fill(writer, 9)
    writer.full = True
    writer.append(payload(9))
    shipper = Shipper(settings, redis)
    shipper.step()
    report = orjson.loads(redis.hget(SPOOLS_KEY, SPOOL))
    assert (report["issued"], report["declared_lost"], report["frames"]) == (10, 1, 9)
    assert report["at"] > 0


@pytest.fixture
def earlier(settings: EdgeSettings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spool of an earlier boot with nine records and a loss, ended by the boot after it."""
    monkeypatch.setattr(shipper_module, "_SETTLE_INTERVAL_S", 0.0)
    monkeypatch.setattr(shipper_module, "_REPORT_INTERVAL_S", 0.0)
    settings.spool_dir.mkdir(parents=True)
    directory = spool_for_boot(settings.spool_dir, (5, 1), "clicks", "one boot")
    writer = SpoolWriter(directory, 1 << 20)
    fill(writer, 9)
    writer.full = True
    writer.append(payload(9))
    writer.close()
    spool_for_boot(settings.spool_dir, (5, 1), "clicks", "the next boot")
    return directory


def store(redis: Redis, spool: Path, first: int, end: int) -> None:
    redis.hset(PROGRESS_KEY, spool.name, encode_progress(Progress().add(first, end)))


def test_a_spool_of_an_earlier_boot_is_put_away_once_all_of_it_is_stored_and_goes_on_being_counted(
    redis: Redis, settings: EdgeSettings, earlier: Path
) -> None:
    shipper = Shipper(settings, redis)
    store(redis, earlier, 0, 8)
    wait_until(lambda: not shipper.step(), what="quiet")
    assert earlier.is_dir()
    store(redis, earlier, 0, 9)
    wait_until(lambda: shipper.step() is not None and not earlier.exists(), what="the spool to be put away")
    assert [path.name for path in settled_spools(settings.spool_dir)] == [earlier.name]
    for again in (shipper, Shipper(settings, redis)):
        redis.delete(SPOOLS_KEY)
        again.step()
        report = orjson.loads(redis.hget(SPOOLS_KEY, earlier.name))
        assert (report["issued"], report["declared_lost"], report["frames"]) == (10, 1, 9)
        # A settled spool's report is never too old to be compared.
        assert report["at"] > time() + 86_400


def test_a_spool_with_a_segment_that_was_set_aside_stays_in_its_place(
    redis: Redis, settings: EdgeSettings, earlier: Path
) -> None:
    (earlier / "quarantine").mkdir()
    shipper = Shipper(settings, redis)
    store(redis, earlier, 0, 9)
    for _ in range(3):
        shipper.step()
    assert earlier.is_dir()


def test_the_spool_of_this_boot_is_not_put_away(redis: Redis, settings: EdgeSettings, earlier: Path) -> None:
    present = spool_for_boot(settings.spool_dir, (5, 1), "clicks", "the next boot")
    with closing(SpoolWriter(present, 1 << 20)) as writer:
        shipper = Shipper(settings, redis)
        fill(writer, 3)
        store(redis, present, 0, 3)
        for _ in range(3):
            shipper.step()
        assert present.is_dir()
        assert writer.append(payload(3))
