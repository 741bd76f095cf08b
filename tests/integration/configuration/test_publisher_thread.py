"""The publishing thread: whatever happens in whatever order, what Redis serves ends equal to the database."""

from __future__ import annotations

import random
from typing import Any
from urllib.parse import urlsplit

import pytest
from redis import Redis

from admin_api.configuration import Publisher, publisher
from admin_api.runtime import Database, Measurements, connect_redis, load_outbox_length
from admin_client import AdminClient, published
from config.configuration import fetch_meta, link_key
from config.configuration.publication import HASH_KEY
from publisher_rounds import Follower, expected
from relay import relay_to
from waiting import wait_until


@pytest.mark.parametrize("seed", range(3))
def test_after_any_operations_redis_equals_the_database(
    admin: AdminClient, database_url: str, redis_url: str, redis: Redis, database: Database, seed: int
) -> None:
    """Random changes through the API beside the real thread; Redis flushed and cut off, the publisher replaced."""
    chance = random.Random(seed)
    target = urlsplit(redis_url)
    assert target.hostname is not None
    assert target.port is not None
    with relay_to(target.hostname, target.port) as relay:
        relayed = target._replace(netloc=target.netloc.replace(f":{target.port}", f":{relay.port}")).geturl()
        running = start_publisher(database_url, relayed)
        wait_until(lambda: fetch_meta(redis), what="the first publication")
        follower = Follower(redis)
        operations = Operations(admin, chance)
        for number in range(120):
            operations.any()
            if number % 40 == 15:
                relay.cut()
            elif number % 40 == 25:
                relay.mend()
            elif number % 40 == 35:
                redis.flushdb()
            elif number == 60:
                running.stop()
                running = start_publisher(database_url, relayed)
            elif number == 80:
                database.execute(
                    "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted"
                )
        relay.mend()
        wait_until(lambda: load_outbox_length(database) == 0 and published(redis) == expected(database), what="quiet")
        assert follower.catch_up() == published(redis)
        running.stop()
    assert operations.accepted > 60


def start_publisher(database_url: str, redis_url: str) -> Publisher:
    publisher = Publisher(database_url, connect_redis(redis_url), Measurements())
    publisher.start()
    return publisher


class Operations:
    """Random changes of everything that is served, over few enough names that they collide."""

    def __init__(self, admin: AdminClient, chance: random.Random) -> None:
        self._admin = admin
        self._chance = chance
        self.accepted = 0

    def any(self) -> None:
        """Send one random request; refusals are fine, server errors are not."""
        plural = self._chance.choice(["profiles", "merchants", "sources", "links", "links", "links"])
        items = self._admin.request("GET", f"/v1/{plural}").json["items"]
        action = self._chance.choice(["POST", "POST", "PATCH", "PATCH", "DELETE"]) if items else "POST"
        path, body = f"/v1/{plural}", self._fields(plural) if action != "DELETE" else None
        if action != "POST":
            path += f"/{self._chance.choice(items)[f'{plural[:-1]}_id']}"
        elif plural == "merchants" and items and self._chance.random() < 0.5:
            path, body = f"{path}/{self._chance.choice(items)['merchant_id']}/tokens", None
        result = self._admin.request(action, path, body)
        assert result.status_code in (200, 201, 204, 400, 409), result.text
        self.accepted += result.status_code < 300

    def _fields(self, plural: str) -> dict[str, object]:
        pick = self._chance.choice
        if plural == "profiles":
            return {"name": "P", "domain": f"{pick('abc')}.example", "active": pick([True, False])}
        if plural == "merchants":
            return {"name": "M", "currency": pick(["USD", "JPY"])}
        if plural == "sources":
            return {"name": pick(["One", "Two", "Three"])}
        return {
            "destination_url": f"https://m.example/{pick('xyz')}?c={{click_id}}",
            "slug": pick("abcdef"),
            "active": pick([True, False]),
            "merchant_id": self._some("merchants"),
            "profile_id": pick([None, self._some("profiles")]),
            "source_id": pick([None, self._some("sources")]),
        }

    def _some(self, plural: str) -> int:
        items = self._admin.request("GET", f"/v1/{plural}").json["items"]
        return int(self._chance.choice(items)[f"{plural[:-1]}_id"]) if items else 1


def test_a_change_is_in_redis_well_under_a_second_without_polling_for_it(
    admin: AdminClient, database_url: str, redis_url: str, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a poll of a minute, only the notification can be what brings a change here in time."""
    monkeypatch.setattr(publisher, "POLL_S", 60)
    running = start_publisher(database_url, redis_url)
    wait_until(lambda: fetch_meta(redis), what="the first publication")
    merchant = admin.merchant()
    for number in range(10):
        key = link_key(None, f"slug{number}")
        admin.link(merchant, slug=f"slug{number}")
        wait_until(lambda key=key: redis.hexists(HASH_KEY, key), timeout_s=10, what="the change in Redis")
    monkeypatch.undo()
    admin.link(merchant)
    running.stop()


def test_one_publisher_at_a_time_and_the_next_takes_over(
    admin: AdminClient, database_url: str, redis_url: str, redis: Redis, database: Database
) -> None:
    first = start_publisher(database_url, redis_url)
    wait_until(lambda: fetch_meta(redis), what="the first publication")
    second = start_publisher(database_url, redis_url)
    count = "select count(*) as held from pg_locks where locktype = 'advisory' and granted"
    assert database.execute(count).fetchone() == {"held": 1}
    first.stop()
    link = admin.link(admin.merchant())
    wait_until(lambda: redis.hexists(HASH_KEY, link_key(None, link["slug"])), what="the second publisher")
    second.stop()


def test_stopping_is_prompt_while_the_database_is_away(redis: Redis) -> None:
    away = Publisher("postgresql://nobody@127.0.0.1:1/none", redis, measurements := Measurements())
    away.start()
    wait_until(lambda: measurements.publish_failures._value.get() > 0, what="a failure")
    away.stop(timeout_s=5)
    assert not away._thread.is_alive()


def test_what_fails_again_and_again_is_logged_once(
    database_url: str, redis_url: str, redis: Redis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Every second, for as long as it lasts."""
    rounds = iter([KeyError("a bug"), KeyError("a bug"), ConnectionError("away"), KeyError("a bug")])
    proper = publisher.publish_round

    def fail_first(*arguments: Any) -> bool:
        if (error := next(rounds, None)) is not None:
            raise error
        return proper(*arguments)

    monkeypatch.setattr(publisher, "publish_round", fail_first)
    monkeypatch.setattr(publisher, "RETRY_S", 0.01)
    running = start_publisher(database_url, redis_url)
    wait_until(lambda: fetch_meta(redis), what="the first publication")
    running.stop()
    failed = [
        record for record in caplog.records if record.name == "waypost.publisher" and record.levelname == "WARNING"
    ]
    assert ["KeyError" in record.getMessage() for record in failed] == [True, False, True]
    assert all(record.exc_info for record in failed)
