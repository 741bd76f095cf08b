"""What an agent reports of its host: the age of what waits, the mirror's version, the disk and the clock."""

from __future__ import annotations

from pathlib import Path
from time import time

import orjson
import pytest
from redis import Redis

import worker_cases as cases
from config.configuration import HOSTS_KEY, PROGRESS_KEY, MirrorMeta
from config.settings import EdgeSettings, edge_settings
from edge import host_report
from edge.host_report import HostReporter
from edge.spool import Shipper, SpoolWriter
from tracking.spool import Progress, encode_click, encode_postback, encode_progress

CLICKS, POSTBACKS = "5-0-abcd-clicks", "5-0-abcd-postbacks"
META = MirrorMeta("epoch", 7, "1-1", 0.0, 3)


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> EdgeSettings:
    return edge_settings({"WAYPOST_HOME": str(tmp_path), "REDIS_URL": redis_url, "EDGE_NODE_ID": "5"})


def write(settings: EdgeSettings, spool: str, *payloads: bytes) -> None:
    directory = settings.spool_dir / spool
    directory.mkdir(parents=True)
    writer = SpoolWriter(directory, 100_000)
    for payload in payloads:
        assert writer.append(payload)
    writer.close()


def test_the_oldest_record_is_that_which_is_not_confirmed(settings: EdgeSettings, redis: Redis) -> None:
    moments = [1_700_000_000_000 + 1000 * number for number in range(3)]
    write(settings, CLICKS, *(encode_click(cases.click(at_ms=at_ms)) for at_ms in moments))
    write(settings, POSTBACKS, encode_postback(cases.postback("x", at_ms=5)))
    shipper = Shipper(settings, redis)
    assert shipper.oldest_ms() == {"clicks": None, "postbacks": None}
    shipper.scan()
    assert shipper.oldest_ms() == {"clicks": moments[0], "postbacks": 5}
    shipper.step()
    assert shipper.oldest_ms() == {"clicks": moments[0], "postbacks": 5}, "what was sent is not stored yet"
    for spool, count in ((CLICKS, 3), (POSTBACKS, 1)):
        redis.hset(PROGRESS_KEY, spool, encode_progress(Progress().add(0, count)))
    shipper.step()
    assert shipper.oldest_ms() == {"clicks": None, "postbacks": None}


def test_a_record_that_cannot_be_read_has_no_age(settings: EdgeSettings, redis: Redis) -> None:
    write(settings, CLICKS, b'[1,"nonsense"]')
    shipper = Shipper(settings, redis)
    shipper.scan()
    assert shipper.oldest_ms()["clicks"] is None


def test_a_host_reports_under_its_number(settings: EdgeSettings, redis: Redis) -> None:
    settings.spool_dir.mkdir(parents=True)
    reporter = HostReporter(settings, redis, lambda: META, lambda: {"clicks": 12, "postbacks": None})
    reporter.step()
    report = orjson.loads(redis.hget(HOSTS_KEY, "5") or b"")
    assert (report["epoch"], report["version"], report["oldest_ms"]["clicks"]) == ("epoch", 7, 12)
    assert abs(report["at"] - time()) < 5
    assert abs(report["clock_offset_s"]) < 1
    assert 0 < report["disk_free_bytes"] <= report["disk_bytes"]


def test_a_report_is_written_once_a_second_and_again_after_a_flush(
    settings: EdgeSettings, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.spool_dir.mkdir(parents=True)
    reporter = HostReporter(settings, redis, lambda: None, dict)
    reporter.step()
    redis.flushdb()
    reporter.step()
    assert not redis.exists(HOSTS_KEY)
    monkeypatch.setattr(host_report, "INTERVAL_S", 0.0)
    reporter.step()
    assert orjson.loads(redis.hget(HOSTS_KEY, "5") or b"")["version"] == 0


def test_a_clock_that_is_ahead_is_reported_so(
    settings: EdgeSettings, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.spool_dir.mkdir(parents=True)
    monkeypatch.setattr(host_report, "time", lambda: time() + 42.0)
    HostReporter(settings, redis, lambda: None, dict).step()
    assert 41 < orjson.loads(redis.hget(HOSTS_KEY, "5") or b"")["clock_offset_s"] < 43
