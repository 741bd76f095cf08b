"""The agent's downward side against a real Redis: the mirror follows every change and never loses its last good
state.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import lmdb
import pytest
from redis import ConnectionError as RedisConnectionError
from redis import Redis

from config.configuration import MirrorWriter, publish, publish_everything
from config.configuration.publication import META_KEY, STREAM_KEY, STREAM_LENGTH_OF_LARGE
from edge.configuration import Follower
from edge.configuration import follower as follower_module
from waiting import wait_until


class Mirror:
    """A follower and the mirror it keeps."""

    def __init__(self, redis: Redis, directory: Path) -> None:
        self.writer = MirrorWriter(directory, 1 << 24)
        self.follower = Follower(redis, self.writer, directory / "confirmed")

    def value(self, key: str) -> bytes | None:
        return self.writer.get(key)[0]

    def follow_until(self, key: str, value: bytes | None) -> None:
        def reached() -> bool:
            self.follower.step()
            return self.value(key) == value

        wait_until(reached, what=f"{key} = {value!r}")

    def version(self) -> int | None:
        meta = self.writer.meta()
        return meta.version if meta else None

    def close(self) -> None:
        self.writer.close()


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def mirror(redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    monkeypatch.setattr(follower_module, "_BLOCK_MS", 20)
    monkeypatch.setattr(follower_module, "_CHECK_INTERVAL_S", 0.05)
    running = Mirror(redis, tmp_path / "mirror")
    yield running
    running.close()


def test_a_first_start_copies_everything(redis: Redis, mirror: Mirror) -> None:
    publish_everything(redis, "e1", 5, [("a", b"1"), ("b", b"2")])
    mirror.follow_until("b", b"2")
    meta = mirror.writer.meta()
    assert meta is not None
    assert (meta.epoch, meta.version, meta.entries) == ("e1", 5, 2)


def test_change_sets_are_applied_in_order_with_deletions(redis: Redis, mirror: Mirror) -> None:
    publish_everything(redis, "e1", 1, [("a", b"1"), ("b", b"2")])
    mirror.follow_until("a", b"1")
    publish(redis, "e1", 1, 2, {"a": b"one", "b": None})
    publish(redis, "e1", 2, 3, {"a": b"uno"})
    mirror.follow_until("a", b"uno")
    assert mirror.value("b") is None
    assert mirror.version() == 3


def test_a_flushed_redis_leaves_the_mirror_and_a_new_publication_replaces_it(redis: Redis, mirror: Mirror) -> None:
    publish_everything(redis, "e1", 1, [("a", b"1"), ("gone", b"x")])
    mirror.follow_until("a", b"1")
    redis.flushdb()
    for _ in range(5):
        mirror.follower.step()
    assert mirror.value("a") == b"1"
    publish_everything(redis, "e2", 2, [("a", b"2")])
    mirror.follow_until("a", b"2")
    assert mirror.value("gone") is None


def test_an_empty_configuration_never_replaces_a_full_one(redis: Redis, mirror: Mirror) -> None:
    publish_everything(redis, "e1", 1, [("a", b"1")])
    mirror.follow_until("a", b"1")
    publish_everything(redis, "e2", 2, [])
    for _ in range(5):
        mirror.follower.step()
    assert mirror.value("a") == b"1"


def test_a_trimmed_stream_leads_to_a_full_resync(redis: Redis, mirror: Mirror) -> None:
    publish_everything(redis, "e1", 1, [("a", b"1")])
    mirror.follow_until("a", b"1")
    publish(redis, "e1", 1, 2, {"a": b"2"})
    publish(redis, "e1", 2, 3, {"b": b"3"})
    redis.xtrim(STREAM_KEY, maxlen=1, approximate=False)
    mirror.follow_until("a", b"2")
    assert mirror.value("b") == b"3"


def test_an_older_redis_that_came_back_is_followed_again(redis: Redis, mirror: Mirror) -> None:
    publish_everything(redis, "e1", 1, [("a", b"1")])
    publish(redis, "e1", 1, 2, {"a": b"2"})
    mirror.follow_until("a", b"2")
    redis.hset("waypost:config", "a", "1")
    redis.hset(META_KEY, "version", "1")
    mirror.follow_until("a", b"1")


def test_a_restarted_agent_goes_on_where_it_was(redis: Redis, mirror: Mirror, tmp_path: Path) -> None:
    publish_everything(redis, "e1", 1, [("a", b"1")])
    mirror.follow_until("a", b"1")
    publish(redis, "e1", 1, 2, {"a": b"2"})
    mirror.writer.close()
    restarted = Mirror(redis, tmp_path / "mirror")
    restarted.follow_until("a", b"2")
    mirror.writer = restarted.writer


def test_another_format_is_left_alone_until_everything_is_published_again(redis: Redis, mirror: Mirror) -> None:
    publish_everything(redis, "e1", 1, [("a", b"1")])
    mirror.follow_until("a", b"1")
    publish_everything(redis, "e2", 2, [("a", b"of another release")])
    redis.hset(META_KEY, "format", "1")
    for _ in range(5):
        mirror.follower.step()
    assert mirror.value("a") == b"1"
    publish_everything(redis, "e3", 3, [("a", b"3")])
    mirror.follow_until("a", b"3")


def test_a_copy_that_redis_cuts_off_is_made_again(
    redis: Redis, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_everything(redis, "e1", 1, [("a", b"1"), ("b", b"2")])
    fetch = follower_module.fetch_everything

    def cut_off(source: Redis) -> Iterator[tuple[str, bytes]]:
        yield next(fetch(source))
        raise RedisConnectionError("connection closed")

    monkeypatch.setattr(follower_module, "fetch_everything", cut_off)
    with pytest.raises(RedisConnectionError):
        mirror.follower.step()
    assert mirror.version() is None
    monkeypatch.setattr(follower_module, "fetch_everything", fetch)
    mirror.follow_until("b", b"2")
    assert mirror.value("a") == b"1"


def test_a_change_that_the_mirror_had_no_room_for_is_applied_once_there_is_room(
    redis: Redis, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_everything(redis, "e1", 1, [("a", b"1")])
    mirror.follow_until("a", b"1")
    publish(redis, "e1", 1, 2, {"a": b"2"})
    publish(redis, "e1", 2, 3, {"b": b"3"})
    apply = mirror.writer.apply

    def no_space(*_: object) -> None:
        raise lmdb.MapFullError("MIRROR_MAX_BYTES is reached")

    monkeypatch.setattr(mirror.writer, "apply", no_space)
    with pytest.raises(lmdb.MapFullError):
        mirror.follower.step()
    monkeypatch.setattr(mirror.writer, "apply", apply)
    mirror.follow_until("b", b"3")
    assert mirror.value("a") == b"2"


def test_a_refused_empty_configuration_is_not_confirmed_nor_read_again_without_a_pause(
    redis: Redis, mirror: Mirror, tmp_path: Path
) -> None:
    publish_everything(redis, "e1", 1, [("a", b"1")])
    mirror.follow_until("a", b"1")
    confirmed = tmp_path / "mirror" / "confirmed"
    publish_everything(redis, "e2", 2, [])
    mirror.follower.step()
    confirmed.unlink()
    begun = monotonic()
    for _ in range(5):
        mirror.follower.step()
    # Each step waits _BLOCK_MS, 20 in these tests; at least one of them checks.
    assert monotonic() - begun >= 5 * 0.02
    assert not confirmed.exists()
    publish_everything(redis, "e3", 3, [("a", b"3")])
    mirror.follow_until("a", b"3")
    assert confirmed.exists()


def test_while_nothing_is_published_a_step_waits_for_it(mirror: Mirror) -> None:
    begun = monotonic()
    for _ in range(5):
        mirror.follower.step()
    # Each step waits _BLOCK_MS, 20 in these tests.
    assert monotonic() - begun >= 5 * 0.02


def test_an_import_leaves_no_more_of_large_change_sets_in_redis_than_agents_need(redis: Redis) -> None:
    publish_everything(redis, "e1", 0, [("a", b"1")])
    for version in range(1, STREAM_LENGTH_OF_LARGE + 300):
        publish(redis, "e1", version - 1, version, {"a": b"x" * 12_000})
    # Redis trims by whole nodes of a hundred entries.
    assert STREAM_LENGTH_OF_LARGE <= redis.xlen(STREAM_KEY) <= STREAM_LENGTH_OF_LARGE + 100
