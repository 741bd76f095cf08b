"""The publisher when something breaks in the middle: the next round mends it, and nothing stale is ever written."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from redis import Redis
from redis.exceptions import RedisError

from admin_api.configuration import publisher
from admin_api.configuration.publisher import publish_round
from admin_api.runtime import Database, Measurements
from admin_client import AdminClient, published
from config.configuration import StalePublicationError, fetch_meta, publish, publish_everything
from config.configuration.publication import HASH_KEY, META_KEY
from publisher_rounds import Follower, expected, settle


class CrashError(Exception):
    """Stands for the process ending at this place."""


@pytest.mark.parametrize("step", ["claim_versions", "load_served", "publish", "save_published"])
@pytest.mark.parametrize("place", ["before", "after"])
def test_a_crash_at_any_step_is_mended_by_the_next_round(
    admin: AdminClient, database: Database, redis: Redis, monkeypatch: pytest.MonkeyPatch, step: str, place: str
) -> None:
    merchant = admin.merchant()
    link = admin.link(merchant, slug="first")
    settle(database, redis)
    follower = Follower(redis)
    admin.request("PATCH", f"/v1/links/{link['link_id']}", {"slug": "second"})
    crash_at(monkeypatch, step, place)
    with pytest.raises(CrashError):
        publish_round(database, redis, Measurements())
    monkeypatch.undo()
    # What changes between the crash and the next start must win over what the crashed process had in hand.
    admin.request("PATCH", f"/v1/links/{link['link_id']}", {"slug": "third"})
    admin.link(merchant, slug="second")
    settle(database, redis)
    assert published(redis) == expected(database) == follower.catch_up()


def crash_at(monkeypatch: pytest.MonkeyPatch, step: str, place: str) -> None:
    real: Callable[..., object] = getattr(publisher, step)

    def crashing(*arguments: object) -> object:
        if place == "after":
            real(*arguments)
        raise CrashError(step)

    monkeypatch.setattr(publisher, step, crashing)


@pytest.mark.parametrize("step", ["save_epoch", "claim_versions", "publish_everything", "save_published"])
@pytest.mark.parametrize("place", ["before", "after"])
def test_a_crash_while_everything_is_published_is_mended_by_the_next_round(
    admin: AdminClient, database: Database, redis: Redis, monkeypatch: pytest.MonkeyPatch, step: str, place: str
) -> None:
    link = admin.link(admin.merchant(), slug="first")
    crash_at(monkeypatch, step, place)
    with pytest.raises(CrashError):
        publish_round(database, redis, Measurements())
    monkeypatch.undo()
    admin.request("PATCH", f"/v1/links/{link['link_id']}", {"slug": "second"})
    settle(database, redis)
    assert published(redis) == expected(database)
    assert not list(redis.scan_iter("*draft*"))


def test_a_flushed_redis_is_filled_under_a_new_epoch(admin: AdminClient, database: Database, redis: Redis) -> None:
    admin.link(admin.merchant())
    settle(database, redis)
    before = fetch_meta(redis)
    redis.flushdb()
    settle(database, redis)
    after = fetch_meta(redis)
    assert before is not None
    assert after is not None
    assert after.epoch != before.epoch
    assert after.version > before.version
    assert published(redis) == expected(database)


def test_a_redis_that_lost_its_newest_writes_is_filled_anew(
    admin: AdminClient, database: Database, redis: Redis
) -> None:
    merchant = admin.merchant()
    settle(database, redis)
    saved = {key: redis.dump(key) for key in (META_KEY, HASH_KEY)}
    admin.link(merchant)
    settle(database, redis)
    for key, value in saved.items():
        redis.restore(key, 0, value, replace=True)
    settle(database, redis)
    assert published(redis) == expected(database)


def test_a_database_restored_from_an_older_copy_is_published_anew(
    admin: AdminClient, database: Database, redis: Redis
) -> None:
    merchant = admin.merchant()
    link = admin.link(merchant)
    settle(database, redis)
    older = database.execute("select version, published_version from publication").fetchone()
    admin.request("PATCH", f"/v1/links/{link['link_id']}", {"slug": "lost"})
    settle(database, redis)
    database.execute("update links set slug = 'restored'")
    database.execute("update publication set version = %(version)s, published_version = %(published_version)s", older)
    settle(database, redis)
    assert published(redis) == expected(database)


def test_a_publisher_that_was_overtaken_writes_nothing(redis: Redis) -> None:
    publish_everything(redis, "e1", 1, [("p:a", b"[1]")])
    publish(redis, "e1", 1, 2, {"p:a": b"[2]"})
    for epoch, previous in (("e1", 1), ("e0", 2), ("e1", 3)):
        with pytest.raises(StalePublicationError):
            publish(redis, epoch, previous, 9, {"p:a": b"[9]"})
    assert published(redis) == {"p:a": b"[2]"}


def test_a_flush_between_look_and_write_leaves_no_scrap_of_a_configuration(redis: Redis) -> None:
    publish_everything(redis, "e1", 1, [("p:a", b"[1]"), ("p:b", b"[1]")])
    redis.flushdb()
    with pytest.raises(StalePublicationError):
        publish(redis, "e1", 1, 2, {"p:a": b"[2]"})
    assert fetch_meta(redis) is None
    assert published(redis) == {}


@pytest.mark.parametrize("interruption", ["flush", "second flush", "other"])
def test_a_full_publication_that_was_interrupted_is_not_swapped_in(redis: Redis, interruption: str) -> None:
    if interruption != "second flush":
        publish_everything(redis, "e0", 1, [("p:old", b"[0]")])

    def served() -> Iterator[tuple[str, bytes]]:
        for number in range(3000):
            if number == 2500 and interruption == "other":
                publish_everything(redis, "e2", 3, [("p:other", b"[2]")])
            elif number == 2500:
                redis.flushdb()
            yield f"p:{number}", b"[1]"

    with pytest.raises((StalePublicationError, RedisError)):
        publish_everything(redis, "e1", 2, served())
    assert published(redis) == ({"p:other": b"[2]"} if interruption == "other" else {})
